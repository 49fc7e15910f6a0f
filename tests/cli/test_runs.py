"""The list of runs, reports shown again and compared, and the chain behind an artifact."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from undertone.cli import main
from undertone.engine.disk import locked
from undertone.engine.folder import record_of
from undertone.engine.manifest import Manifest
from undertone.engine.provenance import chain, find
from undertone.experiments.kind import KINDS
from undertone.experiments.trial.headline import headline
from undertone.experiments.trial.results import Results
from undertone.spec import Spec


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


# --- undertone runs --------------------------------------------------------------------------------------------------


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_run_is_listed_with_recipe_kind_time_state_and_answer(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = _json(capsys, "runs", ".")
    results = Results.load(copied / "run" / "report.json")
    told = {"run": "run", "recipe": "two-arms", "kind": "trial", "state": "finished", "clock": None}
    assert row.items() >= told.items()
    assert row["started"] == results.started.isoformat(timespec="seconds")
    assert row["said"] == headline(results)
    assert f"{results.effects[0].value:+.2f}" in row["said"]
    assert main(["runs", "."]) == 0
    shown = capsys.readouterr().out
    assert all(value in shown for value in ("two-arms", "trial", row["started"], "finished"))


def test_a_run_is_stopped_running_or_refused_and_a_damaged_one_hides_no_other(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("halted", "going", "damaged"):
        shutil.copytree(copied / "run", copied / name)
        _change(copied / name / "run.json", finished=False)
    (copied / "damaged" / "run.json").write_text("{")
    settings = ["two-arms.toml", "--out", "refused", "--set", "teacher.least_well_formed=1"]
    assert main(["run", *settings]) == 2
    capsys.readouterr()
    with locked(copied / "going" / ".lock"):
        rows = {row["run"]: row for row in _json(capsys, "runs", ".")}
    assert {name: row["state"] for name, row in rows.items()} == {
        "run": "finished", "halted": "stopped", "going": "running", "damaged": "unreadable", "refused": "stopped",
    }  # fmt: skip
    assert "has collapsed and is refused" in rows["refused"]["said"]
    assert "damaged/run.json is damaged" in rows["damaged"]["said"]


def test_runs_of_every_kind_are_listed_by_their_records_the_newest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day, kind in enumerate(KINDS, 1):
        record = record_of(kind, f"recipe of {kind}", Spec()).model_copy(
            update={"started": datetime(2026, 1, day, tzinfo=UTC), "said": "Yes. And more.", "finished": day % 2 == 0}
        )
        (tmp_path / kind).mkdir()
        record.write(tmp_path / kind)
    (tmp_path / "no-run").mkdir()
    (tmp_path / "no-run" / "report.json").write_text("{}")
    rows = _json(capsys, "runs", str(tmp_path))
    assert [row["kind"] for row in rows] == list(KINDS)[::-1]
    assert [row["recipe"] for row in rows] == [f"recipe of {kind}" for kind in list(KINDS)[::-1]]
    assert [row["state"] for row in rows[::-1]] == [
        "finished" if day % 2 == 0 else "stopped" for day in range(1, len(KINDS) + 1)
    ]
    assert {row["said"] for row in rows} == {"Yes"}
    assert rows[-1]["started"] == "2026-01-01T00:00:00+00:00"


def test_no_runs_are_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["runs", str(tmp_path)]) == 0
    assert "no runs in" in capsys.readouterr().out


# --- undertone report ------------------------------------------------------------------------------------------------


def test_a_report_is_drawn_again_from_its_numbers(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copied / "run" / "report.html").read_text()
    (copied / "run" / "report.html").unlink()
    assert main(["report", "run"]) == 0
    assert "trait - control" in capsys.readouterr().out
    assert (copied / "run" / "report.html").read_text() == before


def test_several_runs_are_compared_on_one_page(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(copied / "run", copied / "other <b>")
    path = copied / "other <b>" / "report.json"
    value = json.loads(path.read_text())
    value["settings"]["student"]["steps"] = 999
    value["effects"][0]["value"] = 7.25
    path.write_text(json.dumps(value))
    assert main(["report", "run", "other <b>", "--out", "page.html"]) == 0
    out = capsys.readouterr().out
    page = (copied / "page.html").read_text()
    for text in (out, page):
        assert "student.steps" in text and "999" in text
        assert "+7.25" in text
        assert "student.rate" not in text, "what is the same in all runs is not listed"
    assert "<svg" in page and "<script" not in page and "other <b>" not in page and "other &lt;b&gt;" in page
    assert not re.search(r"(src|href)=", page)


def test_showing_a_report_leaves_its_numbers_alone(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copied / "run" / "report.json").stat().st_mtime_ns
    assert main(["report", "run", "run"]) == 0, "the same run twice is one run"
    assert (copied / "run" / "report.json").stat().st_mtime_ns == before
    assert main(["report", "run", "--out", "nowhere/page.html"]) == 0
    shutil.copytree(copied / "run", copied / "[/b]")
    assert main(["report", "run", "[/b]", "--out", "nowhere/page.html"]) == 2
    assert "Could not write nowhere/page.html: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "told"), [((), "Give the folder"), (("store",), "is not the folder of a run")])
def test_a_report_of_nothing_is_refused(
    arguments: tuple[str, ...], told: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_report_with_a_fault_is_refused_with_what_to_do(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "run" / "report.json").write_text('{"recipe": "x"')
    assert main(["report", "run"]) == 2
    assert "give the command that wrote it again" in capsys.readouterr().err


def test_runs_of_other_kinds_are_not_compared_with_trials(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(copied / "run", copied / "other")
    _change(copied / "other" / "run.json", kind="digits")
    assert main(["report", "run", "other"]) == 2
    assert "other holds a run of the kind digits; only trials can be compared." in capsys.readouterr().err
    assert not (copied / "comparison.html").exists()


# --- undertone why ---------------------------------------------------------------------------------------------------


def test_the_chain_of_a_measurement_goes_back_to_the_base(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student = Results.load(copied / "run" / "report.json").arms[0].students[0]
    measurement = next(
        path.parent
        for path in copied.glob("store/measurement-*/manifest.json")
        if student.key in {source.key for source in Manifest.read(path.parent).inputs.values()}
    )
    links = list(chain(measurement))
    roles = [(link.depth, link.role, link.source.name.partition("-")[0]) for link in links]
    assert roles == [
        (0, "", "measurement"), (1, "base", "hf/./neox"), (1, "trained", "student"), (2, "base", "hf/./neox"),
        (2, "dataset", "dataset"), (3, "completions", "completions"), (4, "base", "hf/./neox"),
        (4, "teacher", "teacher"), (5, "base", "hf/./neox"),
    ]  # fmt: skip
    told = _json(capsys, "why", str(measurement))
    assert [one["depth"] for one in told] == [depth for depth, _, _ in roles]
    assert told[2]["made"]["spec"]["training"]["steps"] == 4
    assert main(["why", str(measurement)]) == 0
    out = capsys.readouterr().out
    assert "training.steps=4" in out and "teacher: teacher-" in out and "torch 2.13.0" in out


def test_an_artifact_is_found_by_a_file_in_it_and_by_the_beginning_of_its_key(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "runs").mkdir()
    (copied / "store").rename(copied / "runs" / "store")
    folder = min((copied / "runs" / "store").glob("student-*"))
    assert find(str(folder / "adapter" / "adapter_config.json")) == folder
    assert find(folder.name[:14]).name == find(folder.name.partition("-")[2][:8]).name == folder.name
    assert main(["why", "student-"]) == 2
    assert "4 artifacts in runs/store begin with 'student-'" in capsys.readouterr().err
    key = Manifest.read(folder).key
    assert find(key).name == folder.name
    assert main(["why", "nothing"]) == 2
    assert "None of the 21 artifacts in runs/store begins with 'nothing'" in capsys.readouterr().err
    monkeypatch.chdir(folder)
    assert find(".").name == folder.name
    for path in folder.parent.glob("completions-*/manifest.json"):
        path.write_text("{")
    assert main(["why", "."]) == 0
    assert "damaged, or no longer in the store" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_and_its_replay_are_tracked_under_the_names_of_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str, str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("undertone.report.track.find_spec", lambda _: True)
    monkeypatch.setattr("undertone.report.track.track", lambda found, *to: sent.append((found.recipe, *to)))
    few = ["models=2", "hidden=4", "auxiliary=[1, 2]", "shown=1"]
    few += [f"{who}.{key}" for who in ("teacher", "student") for key in ("steps=2", "batch=4")]
    changes = [word for change in few for word in ("--set", change)]
    assert main(["run", "digits", *changes, "--out", "runs/tiny", "--track", "wandb"]) == 0
    assert main(["run", "runs/tiny", "--track", "mlflow"]) == 0
    assert sent == [("digits", "wandb", "tiny"), ("digits", "mlflow", "tiny-replay")]
