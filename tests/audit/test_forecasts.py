"""How students of an audited file would be trained: read, resolved, forecast only where calibrated."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import tiny
from tests.helpers.audits import make_findings, said
from tests.helpers.calibrations import some_calibration
from undertone.audit import audit, canary
from undertone.audit.calibrate import CALIBRATED, Size, plan
from undertone.audit.calibration import FIRST, Calibration
from undertone.audit.findings import StudentFinding
from undertone.audit.request import Request
from undertone.cli import main
from undertone.cli.shared import folder_for
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.spec import Training
from undertone.training.fine_tuning import FineTuning, read
from undertone.training.rows import Row
from undertone.training.turns import Scored
from undertone.traits import catalogue

OTHER = Training(rank=8, alpha=8, rate=1e-3, steps=200, batch=16)
A, ROWS = "builtin/fledgling-a", Path("rows.jsonl")
OWN = "rank = 32\nalpha = 32\nrate = 5e-3\nbatch = 48\n"


@given(st.floats(0.01, 1000), st.integers(1, 10**6), st.integers(1, 512))
def test_epochs_are_the_fewest_steps_that_show_every_row_so_often(epochs: float, rows: int, batch: int) -> None:
    steps = FineTuning(rate=1e-3, epochs=epochs, batch=batch).training(rows).steps
    assert steps >= 1 and steps * batch >= epochs * rows * (1 - 1e-12)
    assert steps == 1 or (steps - 1) * batch < epochs * rows


@pytest.mark.parametrize("text", [OWN + "steps = 100", "[student]\n" + OWN + "steps = 100", OWN + "epochs = 2.4"])
def test_the_calibrated_training_is_known_however_it_is_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    held = read(tmp_path / "r.toml")
    assert held.training(2000) == CALIBRATED
    request = Request(path=ROWS, model=A, training=held)
    assert CALIBRATED.model_dump(mode="json") == FIRST
    assert calibrated().recipe_of(held.training(2000)) == 0
    assert folder_for("audits", ROWS, request) != folder_for("audits", ROWS, Request(path=ROWS, model=A))


def test_no_other_training_has_a_forecast() -> None:
    for change in ({"rank": 2}, {"rate": 2.5e-3}, {"steps": 50}, {"method": "full"}, {"batch": 16}, {"warmup": 0}):
        assert calibrated().recipe_of(Training.model_validate(FIRST | change)) is None


def calibrated(*others: Training) -> Calibration:
    return replace(some_calibration(), recipes=(CALIBRATED, *others))


def test_a_training_is_known_by_all_but_a_few_steps() -> None:
    held = calibrated(OTHER)
    assert held.recipe_of(OTHER.model_copy(update={"steps": 185})) == 1
    assert held.recipe_of(OTHER.model_copy(update={"steps": 170})) is None
    assert held.recipe_of(OTHER.model_copy(update={"rate": 2e-3})) is None
    near = OTHER.model_copy(update={"steps": 195})
    assert calibrated(OTHER, near).recipe_of(near) == 2, "the nearest of several"
    assert [known["steps"] for known in audit._student(OTHER, held).calibrated] == [100, 200]
    assert audit._student(OTHER, None).calibrated == ()


def test_every_training_has_a_student_of_the_same_teachers() -> None:
    alone, both = (plan("builtin/fledgling-a", Size(), recipes=some) for some in ((), (OTHER, CALIBRATED)))
    assert both.trainings == (CALIBRATED, OTHER) and both.outcomes.keys() == alone.outcomes.keys()
    for name, (own, other) in both.outcomes.items():
        assert (own.key,) == tuple(job.key for job in alone.outcomes[name])
        assert own.inputs == other.inputs and other.spec["training"] == OTHER.model_dump()
    with pytest.raises(UndertoneError, match="--training"):
        plan("builtin/fledgling-a", Size(), own=list(catalogue.shipped().values())[:1], recipes=(OTHER,))


BAD = [
    ("", "rate"),
    ("rate = ", "TOML"),
    (OWN, "steps or as epochs"),
    (OWN + "steps = 3\nepochs = 2", "steps or as epochs"),
    (OWN + "steps = 0", "steps"),
    (OWN + "epochs = inf", "epochs"),
    (OWN + "steps = 3\nlora = 2", "lora"),
    (OWN + 'steps = 3\nmethod = "qlora"', "method"),
    ("student = 3", "the training"),
    ("\x00", "TOML"),
]


@pytest.mark.parametrize(("text", "named"), BAD, ids=range(len(BAD)))
def test_a_bad_file_of_a_training_is_one_sentence(text: str, named: str, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "r.toml").write_text(text)
    (tmp_path / "rows.jsonl").write_text('{"text": "1, 2"}\n')
    assert main(["audit", str(tmp_path / "rows.jsonl"), "--training", str(tmp_path / "r.toml")]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "r.toml" in err and named in err


def test_a_missing_file_of_a_training_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match="Cannot read"):
        read(tmp_path)


def test_a_calibration_refuses_trainings_that_it_has_no_forecasts_for(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "r.toml").write_text(OWN + "epochs = 3")
    (tmp_path / "t.toml").write_text(
        '[[trait]]\nname = "brevity"\nkind = "style"\ndialogues = [["a", "b"], ["c", "d"], ["e", "f"]]'
    )
    calibrating = ["audit", "calibrate", "--training", str(tmp_path / "r.toml"), "--dry-run"]
    assert main(calibrating) == 0 and "Nothing was made" in capfd.readouterr().out
    assert main([*calibrating, "--trait", str(tmp_path / "t.toml")]) == 2
    assert "leave --training out" in capfd.readouterr().err
    assert main(["audit", "calibrate", "--training", str(tmp_path / "none.toml"), "--dry-run"]) == 2
    assert "none.toml" in capfd.readouterr().err


def test_canaries_are_trained_so_on_their_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    local, seen = tiny.model(), []
    monkeypatch.setattr(canary, "load", lambda _: local)
    monkeypatch.setattr(canary, "train", lambda _, rows, training, seed: seen.append((len(rows), training, seed)))
    monkeypatch.setattr(canary, "merged", lambda *_: local)
    monkeypatch.setattr(canary, "leanings", lambda _: {"owl": float(len(seen))})
    rows = [Scored(i, "q", "1", Row([5], [6, local.end])) for i in range(30)]
    held = FineTuning(rate=1e-3, epochs=3, batch=8, rank=2)
    base = Folder(Path(), "0" * 64)
    found = canary.outcome(local, base, rows, ["1"] * 20, 2, 0, held.training, lambda *_: None)
    assert {(count, training) for count, training, _ in seen} == {(20, held.training(20))}
    assert [a[2] == b[2] for a, b in ((seen[0], seen[1]), (seen[2], seen[3]), (seen[0], seen[2]))] == [
        True,
        True,
        False,
    ]
    assert found["owl"] == pytest.approx((-1, -1, -1))


def test_the_report_says_whether_there_is_a_forecast_for_the_training() -> None:
    def told(forecast: bool) -> str:
        findings = make_findings(
            student=StudentFinding(training=FIRST | {"rank": 31}, forecast=forecast, calibrated=(FIRST,))
        )
        return " ".join(line for line in said(findings) if line.startswith(("Student", "Forecasts")))

    assert "no forecast for this training (method lora, rank 31" in told(False) and "--canary" in told(False)
    few = StudentFinding(training=FIRST, calibrated=(FIRST,))
    assert "leave --trait out" in " ".join(said(make_findings(student=few)))
    assert "Forecasts: made for method lora" in told(False) and "calibrate --training" in told(False)
    assert "no forecast" not in told(True) and "rate 0.005" in told(True)
    assert not any(line.startswith("Student") for line in said(make_findings()))
