"""Killed at random moments and started again, a run ends with the very bits of one that was never stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from conftest import TWO_ARMS
from undertone.report import Results

KILLS = 30


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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_thirty_kills_at_random_moments_lose_nothing_and_change_no_bit(ran: Path, bases: Path, tmp_path: Path) -> None:
    reference = Results.load(ran / "run" / "report.json").artifacts
    recipe = tmp_path / "two-arms.toml"
    recipe.write_text(TWO_ARMS)

    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from undertone.cli import entry; entry()", "run", recipe, "--out", folder / "run"],
            cwd=bases, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    began = time.monotonic()
    assert start(tmp_path / "whole").wait(300) == 0
    longest = time.monotonic() - began  # what a run takes on this machine, as busy as it is
    rng, kills, midway, runs = Random("kills"), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / str(runs)  # a run that got through is followed by a fresh one
        seen: dict[str, tuple[int, int]] = {}
        while True:
            process = start(folder)
            try:
                _, told = process.communicate(timeout=rng.uniform(0, longest) if kills < KILLS else 300)
                assert process.returncode == 0, told
                break
            except subprocess.TimeoutExpired:
                assert kills < KILLS, "a run that nobody killed did not end"
                # The command alone, so that its workers go on for a moment beside the next start; or all of them.
                _kill([process.pid] if rng.random() < 0.5 else _session(process.pid))
                process.communicate()
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
        assert "set aside" not in told
        runs += 1
    assert midway >= 5, "too few kills came between two artifacts"
