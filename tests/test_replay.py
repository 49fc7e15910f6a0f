"""A run repeated from its folder: the same bits, or the names of what differs."""

import json
from pathlib import Path

import pytest

from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.replay import replay
from undertone.report import Results


@pytest.fixture
def replayed(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished replay beside a finished run, made with another number of processes and of threads."""
    monkeypatch.setattr("undertone.workers.ENVIRONMENT", {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"})
    again = replay(copied / "run", copied / "run-replay", processes=1)
    assert again.surroundings == ()
    assert again.differing == ()
    assert again.same == 21
    return copied


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_replay_has_the_same_bits_and_says_what_differs_where_it_has_not(
    replayed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Results.load(replayed / "run" / "report.json")
    again = Results.load(replayed / "run-replay" / "report.json")
    assert again.artifacts == first.artifacts
    assert again.effects == first.effects
    assert {cost.reused for cost in again.costs} == {0}, "a replay must make everything anew"

    # Another seed's weights, another version and another machine are what a replay must tell of.
    student = next(name for name in first.artifacts if name.startswith("student-"))
    _change(replayed / "run" / "report.json", artifacts=first.artifacts | {student: "0" * 64})
    record = json.loads((replayed / "run" / "run.json").read_text())
    _change(replayed / "run" / "run.json", versions=record["versions"] | {"torch": "2.12.0"})
    assert main(["run", "run"]) == 1
    out = capsys.readouterr().out
    assert "not the same bits: 20 of 21 artifacts" in out
    assert f"differs: {student}" in out
    assert "torch: 2.12.0 then, 2.13.0" in out
    assert main(["run", "run", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["replay"]["differing"] == [student]


def test_a_run_without_a_report_goes_on_where_it_was(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Results.load(copied / "run" / "report.json")
    (copied / "run" / "report.json").unlink()
    assert main(["run", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == "run"
    assert Results.load(copied / "run" / "report.json").artifacts == first.artifacts
    assert not (copied / "run-replay").exists()


def test_a_replay_from_other_models_is_refused_before_any_work(copied: Path) -> None:
    (copied / "neox").unlink()
    (copied / "neox").symlink_to(copied / "llama")
    with pytest.raises(UndertoneError, match=r"hf/\./neox is not the model that the run started from"):
        replay(copied / "run", copied / "run-replay")
    assert not (copied / "run-replay").exists()


@pytest.mark.parametrize("more", [("--seed", "1"), ("--set", "rows=10"), ("--dry-run",)])
def test_the_folder_of_a_run_is_run_as_it_is(
    more: tuple[str, ...], copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "run", *more]) == 2
    assert "is run as it is" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "store"]) == 2
    assert "store is no folder of a run: run.json: No such file" in capsys.readouterr().err
