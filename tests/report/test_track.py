"""Findings sent to experiment trackers, each with its local backend, and what is done where one fails."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import undertone as ut
from tests.helpers.audits import make_family, make_findings
from tests.helpers.trainers import train, trainer, traits
from undertone.cli.shared import send
from undertone.report import track
from undertone.report.findings import Findings, Part
from undertone.report.track import numbers_of


def needs(library: str) -> pytest.MarkDecorator:
    missing = find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: pip install {library}")


class Row(Part):
    name: str
    group: str
    value: float
    count: int
    other: float | None = None


class Some(Findings):
    shown_by = "none"
    rows: tuple[Row, ...]


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_main_table_by_row_and_column() -> None:
    found = make_findings()
    numbers, table = numbers_of(found), found.to_pandas()
    assert len(numbers) == table.select_dtypes(["number", "bool"]).notna().sum().sum() > 20
    owl = next(trait for trait in found.traits if trait.name == "owl")
    (key,) = (name for name in numbers if re.fullmatch(r"undertone/.*owl.*/effect", name))
    assert numbers[key] == owl.effect and numbers[key.replace("effect", "found")] == owl.found


def test_a_row_has_the_fewest_names_that_tell_it_from_others() -> None:
    def keys(*rows: tuple[str, str]) -> list[str]:
        made = Some(rows=tuple(Row(name=name, group=group, value=1.0, count=2) for name, group in rows))
        return [key for key in numbers_of(made) if key.endswith("value")]

    assert keys(("a", "x"), ("b", "x")) == ["undertone/a/value", "undertone/b/value"]
    assert keys(("a", "x"), ("a", "y")) == ["undertone/a/x/value", "undertone/a/y/value"]
    assert keys(("a", "x"), ("a", "x")) == ["undertone/0/value", "undertone/1/value"]
    assert keys(("../..", "x"), ("a/b é\n", "x")) == ["undertone/_/value", "undertone/a_b _/value"]
    assert keys() == [] and numbers_of(make_findings(families=(make_family("manners"),))).keys()


# --- each tracker ----------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("undertone.watch.figures.figure", lambda *_: None)
    monkeypatch.setattr("undertone.audit.figures.figure", lambda *_: None)
    for name in ("WANDB_PROJECT", "TENSORBOARD_LOGGING_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def watched(here: Path, tracker: Any, **settings: Any) -> tuple[ut.Watch, dict[int, float]]:
    """A training that is watched and tracked, and what it measured."""
    watch = ut.Watch(traits(here), every=2, track=tracker)
    one = trainer(here / "training", [watch], **settings)
    train(one)
    key = "undertone/gnu/probability"
    return watch, {entry["step"]: entry[key] for entry in one.state.log_history if key in entry}


def read(folder: Path) -> tuple[dict[str, dict[int, float]], list[str]]:
    """The numbers, by name and step, and the names of texts in the event files below a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder))
    log.Reload()
    numbers = {name: {one.step: one.value for one in log.Scalars(name)} for name in log.Tags()["scalars"]}
    return numbers, log.Tags()["tensors"]


@needs("tensorboard")
def test_tensorboard_shows_what_was_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = make_findings()
    found.track("tensorboard", "rows-1234")
    numbers, texts = read(here / "tensorboard" / "rows-1234")
    assert {name: of[0] for name, of in numbers.items()} == pytest.approx(numbers_of(found))
    assert texts == ["undertone/report/text_summary"] and capsys.readouterr().out == ""
    watch, curve = watched(here, "tensorboard")
    numbers, texts = read(here / "tensorboard" / "training")
    assert len(curve) == 4 and numbers["undertone/gnu/probability"] == pytest.approx(curve)
    assert watch.findings is not None and numbers["undertone/gnu/end"][0] == pytest.approx(curve[6]) and texts


@pytest.fixture
def files(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MLflow's store of files."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file://{here}/mlruns")
    return here / "mlruns"


@pytest.mark.slow
@needs("mlflow")
def test_mlflow_has_the_numbers_and_the_report(files: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mlflow

    found = make_findings()
    found.track("mlflow", "rows-1234")
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.run_name == "rows-1234" and run.info.status == "FINISHED" and mlflow.active_run() is None
    assert run.data.metrics == numbers_of(found) and run.data.tags["undertone"] == found.headline
    (report,) = files.glob("**/artifacts/undertone/report.json")
    assert json.loads(report.read_text()) == json.loads(found.json_text())
    assert report.with_name("report.html").exists() and capsys.readouterr().out == ""


@pytest.mark.slow
@needs("mlflow")
def test_mlflow_has_the_curve_in_the_run_of_the_trainer(files: Path, here: Path) -> None:
    import mlflow

    watch, curve = watched(here, "mlflow", report_to="mlflow")
    (run,) = mlflow.search_runs(output_format="list")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "undertone/gnu/probability")
    assert {one.step: one.value for one in history} == curve and "loss" in run.data.metrics
    assert run.data.metrics["undertone/gnu/end"] == curve[6] and watch.findings is not None
    assert list(files.glob("**/artifacts/undertone/report.html")) and run.info.status == "FINISHED"


@pytest.mark.slow
@needs("wandb")
def test_wandb_has_the_numbers_and_the_report_without_a_network(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    found = make_findings()
    found.track("wandb", "rows-1234")
    assert wandb.run is None and capsys.readouterr().out == ""
    (folder,) = (here / "wandb").glob("offline-run-*")
    assert list(folder.glob("files/media/html/undertone/report*.html"))
    with wandb.init(project="mine") as run:
        _, curve = watched(here, "wandb")
        assert (
            wandb.run is run
            and run.summary["undertone/gnu/end"] == curve[6] == run.summary["undertone/gnu/probability"]
        )
        assert run.summary["train/global_step"] == 6 and "gnu" in run.summary["undertone"]


# --- what fails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracker", ["mlflow", "wandb", "tensorboard"])
def test_a_library_that_is_missing_is_named_before_any_work(tracker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "find_spec", lambda _: None)
    with pytest.raises(ut.UndertoneError, match=f"install its library: pip install {tracker}"):
        make_findings().track(tracker)
    with pytest.raises(ut.UndertoneError, match=f"pip install {tracker}"):
        ut.Watch("owl", track=tracker)


class Down:
    """A tracker that cannot be reached."""

    def __init__(self, fails: str) -> None:
        self.fails, self.asked = fails, 0

    def __getattr__(self, name: str) -> Any:
        def do(*_: object) -> None:
            self.asked += 1
            print("chatter")
            if name == self.fails:
                raise ConnectionError("no route\nto the host")

        return do


def test_a_tracker_that_cannot_be_reached_is_told_and_changes_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(track, "find_spec", lambda _: SimpleNamespace())
    monkeypatch.setattr(track, "opened", lambda *_: Down("report"))
    found = make_findings()
    with pytest.raises(ut.UndertoneError, match=r"could not be sent to W&B \(no route to the host\)\.$"):
        found.track("wandb")
    send(found, "wandb", tmp_path / "here")
    out, err = capsys.readouterr()
    assert out == "" and "could not be sent to W&B" in err and f"The report is in {tmp_path / 'here'}" in err
    send(found, None, tmp_path)
    assert capsys.readouterr() == ("", "")


def test_training_goes_on_without_a_tracker_that_fails(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    down = Down("log")
    monkeypatch.setattr(sys.modules["undertone.python.watch"], "opened", lambda *_: down)
    monkeypatch.setattr(track, "find_spec", lambda _: SimpleNamespace())
    watch, curve = watched(here, "mlflow")
    assert [*curve] == [0, 2, 4, 6] and watch.findings is not None and down.asked == 1
    assert "Training goes on without it" in caplog.text
