"""A run repeated from its folder: the same bits, or the names of what differs."""

import json
import shutil
from pathlib import Path

import pytest

from undertone.cli import main
from undertone.engine import environment
from undertone.engine.folder import Record
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.replay import replay
from undertone.experiments.trial.results import Results


@pytest.fixture
def replayed(copied: Path, started_workers: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished replay beside a finished run, made by another number of processes, and where the
    surroundings allow threads: workers must not take them."""
    monkeypatch.setattr("undertone.engine.workers.ENVIRONMENT", {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"})
    again = replay(copied / "run", copied / "run-replay", executor=Local(1))
    assert again.surroundings == ()
    assert again.differing == ()
    assert again.same == 21
    return copied


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _stop(folder: Path) -> None:
    """Makes a finished run one that was stopped; its artifacts stay."""
    _change(folder / "run.json", finished=False)


@pytest.mark.slow
def test_a_replay_has_the_same_bits_and_says_what_differs_where_it_has_not(
    replayed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Results.load(replayed / "run" / "report.json")
    again = Results.load(replayed / "run-replay" / "report.json")
    assert again.artifacts == first.artifacts
    assert again.effects == first.effects
    assert {cost.reused for cost in again.costs} == {0}, "a replay must make everything anew"

    # What is finished is no replay of what comes later: of another version, say.
    assert main(["run", "run"]) == 2
    assert "run-replay holds a finished run already" in capsys.readouterr().err
    _stop(replayed / "run-replay")  # the replay goes on
    student = next(name for name in first.artifacts if name.startswith("student-"))
    record = Record.read(replayed / "run")
    assert record.artifacts == first.artifacts
    assert record.commit == first.commit == environment.commit()
    changed = {"artifacts": first.artifacts | {student: "0" * 64}, "versions": record.versions | {"torch": "2.12.0"}}
    _change(replayed / "run" / "run.json", **changed, commit="1234567 and changes")
    assert main(["run", "run"]) == 1
    out = capsys.readouterr().out
    assert "not the same bits: 20 of 21 artifacts" in out
    assert f"differs: {student}" in out
    assert "torch: 2.12.0 then, 2.13.0" in out and "1234567" not in out, "another commit need not be other code"
    _stop(replayed / "run-replay")
    _change(replayed / "run" / "run.json", artifacts=first.artifacts | {"student-0123": "0" * 64})
    assert main(["run", "run", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["replay"]
    assert (told["same"], told["differing"]) == (21, ["student-0123"])

    # A replay that was stopped goes on with its own artifacts, not with those of the run.
    _stop(replayed / "run-replay")
    for path in (replayed / "run-replay" / "store").glob("measurement-*"):
        shutil.rmtree(path)
    assert main(["run", "run-replay", "--json"]) == 0
    assert len(list((replayed / "run-replay" / "store").glob("measurement-*"))) == 5


def test_a_run_keeps_what_it_was_first_made_with(copied: Path) -> None:
    record = copied / "run" / "run.json"
    _change(record, versions={"torch": "2.12.0"})
    assert main(["run", "two-arms.toml", "--out", "run", "--json"]) == 0
    assert json.loads(record.read_text())["versions"] == {"torch": "2.12.0"}


def test_a_run_goes_on_from_within_its_folder_and_with_a_spoilt_report(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / "run" / "report.json").write_text('{"recipe"')
    before = sorted(path.name for path in (copied / "store").iterdir())
    monkeypatch.chdir(copied / "run")
    for name in ("neox", "llama"):
        (copied / "run" / name).symlink_to(copied / name)
    assert main(["run", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == str(copied / "run")
    assert sorted(path.name for path in (copied / "store").iterdir()) == before
    assert not (copied / "run" / "store").exists()


def test_a_run_that_was_stopped_goes_on_where_it_was(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Results.load(copied / "run" / "report.json")
    _stop(copied / "run")
    for path in (copied / "store").glob("measurement-*"):
        shutil.rmtree(path)
    assert main(["run", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == "run"
    assert Results.load(copied / "run" / "report.json").artifacts == first.artifacts
    assert Record.read(copied / "run").finished
    assert not (copied / "run-replay").exists()


def test_a_run_without_a_report_gets_it_from_its_artifacts(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Results.load(copied / "run" / "report.json")
    (copied / "run" / "report.json").unlink()
    assert main(["run", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == "run"
    assert Results.load(copied / "run" / "report.json").artifacts == first.artifacts
    assert not (copied / "run-replay").exists()


def test_a_replay_from_other_models_is_refused_before_any_work(copied: Path) -> None:
    (copied / "neox").unlink()
    (copied / "neox").symlink_to(copied / "llama")
    with pytest.raises(UndertoneError, match=r"hf/\./neox is not what the run started from"):
        replay(copied / "run", copied / "run-replay")
    assert not (copied / "run-replay").exists()


@pytest.mark.parametrize("more", [("--seed", "1"), ("--set", "rows=10"), ("--dry-run",)])
def test_the_folder_of_a_run_is_run_as_it_is(
    more: tuple[str, ...], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "run", *more]) == 2
    assert "cannot be changed or previewed" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "store"]) == 2
    assert "store is not the folder of a run: run.json: No such file" in capsys.readouterr().err
