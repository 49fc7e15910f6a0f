"""Killed at random moments and started again, a run ends with the very bits of one that was never stopped."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from tests.helpers.extent import LONG
from tests.helpers.forked import Forked
from tests.helpers.trials import TWO_ARMS
from undertone.cli import main
from undertone.experiments.trial.results import Results

KILLS = 30 if LONG else 4
LIGHT = (
    "teacher.dialogues=16", "teacher.training.steps=4", "carrier.prompts=40", "rows=5", "student.steps=2",
    "measurement.samples=0", "measurement.skill_prompts=0",
)  # fmt: skip
"""As many artifacts as ever, but little work for each: a larger share of the kills falls where files are written."""


def _session(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def _kill(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _finished(store: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every finished artifact: made again, it would have others."""
    found = {path.parent.name: path.stat() for path in store.glob("*-*/manifest.json") if path.parent.name[0] != "."}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_kills_at_random_moments_lose_nothing_and_change_no_bit(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What draws has threads, which a fork has not; the page is written as ever, without its figures.
    monkeypatch.setattr("undertone.report.canvas.svg", lambda *_: "<svg/>")
    monkeypatch.setattr("undertone.report.html.pixels", lambda _: b"")
    recipe, told = tmp_path / "two-arms.toml", tmp_path / "stderr"
    recipe.write_text(TWO_ARMS)

    def start(folder: Path) -> Forked:
        # Forked, with its workers: nothing is in the making while torch is imported, which is most of a started run,
        # so kills there would show little. All of them now fall on the work of the run itself.
        def command() -> int:
            os.chdir(bases)
            changes = [part for change in LIGHT for part in ("--set", change)]
            return main(["run", str(recipe), "--out", str(folder / "run"), *changes])

        with told.open("w") as stderr, open(os.devnull, "w") as nothing:
            return Forked(command, {1: nothing.fileno(), 2: stderr.fileno()}, session=True)

    began = time.monotonic()
    assert start(tmp_path / "whole").wait(300) == 0, told.read_text()
    reference = Results.load(tmp_path / "whole" / "run" / "report.json").artifacts
    longest = time.monotonic() - began  # what a run takes on this machine, as busy as it is
    rng, kills, midway, runs = Random("kills"), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / str(runs)  # a run that got through is followed by a fresh one
        seen: dict[str, tuple[int, int]] = {}
        while True:
            process = start(folder)
            try:
                code = process.wait(rng.uniform(0, longest) if kills < KILLS else 300)
                assert code == 0, told.read_text()
                break
            except subprocess.TimeoutExpired:
                assert kills < KILLS, "a run that nobody killed did not end"
                # The command alone, so that its workers go on for a moment beside the next start; or all of them.
                _kill([process.pid] if rng.random() < 0.5 else _session(process.pid))
                process.wait()
                kills += 1
                now = _finished(folder / "store")
                assert {name: now.get(name) for name in seen} == seen, "a finished artifact was lost or made again"
                midway += len(now) > len(seen)
                seen = now
            finally:
                if process.poll() is None:
                    _kill(_session(process.pid))
        now = _finished(folder / "store")
        assert {name: now.get(name) for name in seen} == seen
        assert Results.load(folder / "run" / "report.json").artifacts == reference
        assert "set aside" not in told.read_text()
        runs += 1
    assert midway >= KILLS // 6, "too few kills came between two artifacts"
