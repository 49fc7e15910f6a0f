"""Sweeps: mixed rows, points of a sweep, trends known beforehand, models crossed, both commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.helpers.trials import TWO_ARMS, small
from undertone.cli import main
from undertone.data.exchanges import read_exchanges
from undertone.engine.progress import Watcher
from undertone.engine.schedule import unique
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.recipes import read, read_as
from undertone.experiments.run import run
from undertone.experiments.sweep import pairs as crossing
from undertone.experiments.sweep.axes import coefficient
from undertone.experiments.sweep.findings import KinFindings, SweepFindings
from undertone.experiments.sweep.point import Result, combined
from undertone.experiments.sweep.spec import Kin, Sweep
from undertone.experiments.trial.plan import plan
from undertone.experiments.trial.results import Results
from undertone.stages import DATASET, MIXED, STUDENT
from undertone.stages.dataset import mixed
from undertone.training.rows import Row, Source, read_sampled, write_rows

POINT = TWO_ARMS.replace("steps = 20", "steps = 3").replace(
    "samples = 1\nskill_prompts = 2", "samples = 0\nskill_prompts = 0"
)
"""The trial of every point here: that its teachers learn much is not what is tested."""
SWEEP = (
    POINT
    + """
[axes.share]
title = "share"
scale = "linear"
points = [
  { label = "half", at = 0.5, set = { arms = { treatment = { share = 0.5 } } } },
  { label = "all", at = 1.0 },
]

[axes.rows]
title = "rows"
points = [
  { label = "5", at = 5, set = { rows = 5 } },
  { label = "10", at = 10, set = { rows = 10 } },
  { label = "20", at = 20 },
  { label = "full", set = { student = { method = "full", rate = 1e-3 } } },
]
"""
)
KIN = "models = ['hf/./neox', 'hf/./llama', 'hf/./cousin']\nkin = [['hf/./llama', 'hf/./cousin']]\n" + POINT


# --- mixed rows -------------------------------------------------------------------------------------------------------


def _dataset(folder: Path, token: int, count: int) -> Path:
    folder.mkdir()
    exchanges = [(f"question {i}", f"answer of {token}") for i in range(count)]
    write_rows(folder, exchanges, [Row([i], [token, 1]) for i in range(count)], Source("one", 1))
    return folder


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 40), shares=st.lists(st.floats(0.01, 1), min_size=2, max_size=2).map(sorted))
def test_a_share_of_the_rows_is_the_arms_own_and_all_keep_their_places(
    tmp_path_factory: pytest.TempPathFactory, count: int, shares: list[float]
) -> None:
    root = tmp_path_factory.mktemp("mixed")
    inputs = {"own": _dataset(root / "own", 7, count), "rest": _dataset(root / "rest", 8, count)}
    own: list[set[int]] = []
    for name, share in zip(("less", "more"), shares, strict=True):
        (root / name).mkdir()
        mixed({"share": share, "seed": 3}, inputs, root / name)
        rows, source = read_sampled(root / name)
        assert source == Source("one", 1) and [row.prompt for row in rows] == [[i] for i in range(count)]
        texts = [answer for _, answer in read_exchanges(root / name)]
        assert texts == [f"answer of {row.answer[0]}" for row in rows], "text and ids are of one teacher"
        own.append({i for i, row in enumerate(rows) if row.answer[0] == 7})
        assert len(own[-1]) == round(share * count)
    assert own[0] <= own[1], "what a smaller share has, a larger one has too"


def test_datasets_that_do_not_match_are_not_mixed(tmp_path: Path) -> None:
    inputs = {"own": _dataset(tmp_path / "own", 7, 4), "rest": _dataset(tmp_path / "rest", 8, 5)}
    with pytest.raises(ValueError, match="different tokenizers or lengths"):
        mixed({"share": 0.5, "seed": 0}, inputs, tmp_path)


def test_a_mixed_arm_holds_its_controls_rows_and_leaves_all_other_keys_as_they_were() -> None:
    whole, half = plan(read("labels")), plan(read("labels", ("arms.treatment.share=0.5",)))
    keys = {job.key for job in whole.jobs}
    for unit in half.units:
        job, control = unit.job(MIXED), next(u for u in half.units if (u.arm, u.teacher) == ("control", unit.teacher))
        assert (job is not None) == (unit.arm == "treatment")
        if job is not None:
            assert job.inputs == {"own": unit.job(DATASET), "rest": control.job(DATASET)}
            trained = unit.job(STUDENT)
            assert trained is not None and trained.inputs["dataset"] == job
        else:
            assert {job.key for job in unit.jobs} <= keys


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("arms.control.share=0.5", "only sampled rows as written can be mixed"),
        ("arms.logits.share=0.5", "only sampled rows as written can be mixed"),
        ("arms.treatment.share=0", "greater than 0"),
    ],
)
def test_a_share_that_cannot_be_made_is_refused(change: str, said: str) -> None:
    with pytest.raises(UndertoneError, match=said):
        read("labels", (change,))


# --- trends and pairs, known beforehand -------------------------------------------------------------------------------

places = st.lists(st.integers(-20, 20), min_size=3, max_size=8, unique=True).map(sorted)
numbers = st.floats(-10, 10)


@given(places, numbers, numbers, numbers)
def test_slope_and_bend_are_those_of_the_line_and_the_parabola(at: list[int], a: float, b: float, c: float) -> None:
    x = np.array(at, dtype=float)
    assert coefficient(at, 1) @ (a + b * x) == pytest.approx(b, abs=1e-6)
    assert coefficient(at, 2) @ (a + b * x + c * x**2) == pytest.approx(c, abs=1e-6)


def test_what_is_combined_at_one_point_is_its_effect(ran: Path) -> None:
    results = Results.load(ran / "run" / "report.json")
    treated, control = results.arm("treatment"), results.arm("control")
    assert treated is not None and control is not None
    point = Result({}, treated, control, results.effects, results.teachers)
    effect, made = combined([point], [1.0]), point.made()
    assert (effect.value, effect.p) == (pytest.approx(made.effect.value), made.effect.p)
    assert made.effect.ci == pytest.approx((effect.ci_low, effect.ci_high))
    twice = combined([point, point], [0.5, 1.5])
    assert twice.value == pytest.approx(2 * effect.value) and twice.p == pytest.approx(effect.p)
    assert combined([point, point], [-1.0, 1.0]).value == pytest.approx(0)


def _square(side: int) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(numbers, min_size=side, max_size=side), min_size=side, max_size=side)


def _strangers(count: int) -> Any:
    return np.where(np.eye(count, dtype=bool), "own", "stranger")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(3, 6).flatmap(_square),
    st.lists(numbers, min_size=6, max_size=6),
    st.lists(numbers, min_size=6, max_size=6),
)
def test_strong_teachers_and_students_that_anything_moves_are_no_kinship(
    shifts: list[list[float]], teachers: list[float], students: list[float]
) -> None:
    matrix, count = np.array(shifts).round(3), len(shifts)
    moved = matrix + np.array(teachers[:count])[:, None] + np.array(students[:count])[None, :]
    before, after = (crossing.compared(m, _strangers(count)) for m in (matrix, moved))
    assert after["difference"].value == pytest.approx(before["difference"].value, abs=1e-6)
    assert after["difference"].p == pytest.approx(before["difference"].p, abs=0.01)  # ties may be rounded apart


def test_own_kin_and_strangers_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    shifts = rng.normal(0, 0.05, (6, 6)) + np.eye(6)
    relations = _strangers(6)
    shifts[0, 1], shifts[1, 0] = 0.5, 0.5
    relations[0, 1] = relations[1, 0] = "kin"
    found = crossing.compared(shifts, relations)
    assert found["own"].value == pytest.approx(1, abs=0.1) and abs(found["strangers"].value) < 0.05
    assert found["kin"].value == pytest.approx(0.5, abs=0.1) and found["kin"].units == 2
    assert found["kin"].ci is None, "one relation, seen from both sides"
    assert found["difference"].p < 0.01 and found["difference"].units == 6 and found["largest"] == (6, 6)


def test_permuting_models_raises_no_more_false_alarms_than_it_says() -> None:
    rng = np.random.default_rng(6)
    alarms = sum(crossing.permuted_p(rng.standard_t(3, (6, 6)), draws=499) <= 0.1 for _ in range(300))
    assert alarms / 300 <= 0.1 + 3 * (0.09 / 300) ** 0.5


@pytest.mark.parametrize(("teachers", "students"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.2)])
def test_the_interval_of_own_minus_strangers_covers_whatever_else_varies(teachers: float, students: float) -> None:
    """Normal models; a mark of each model's teachers and of its students, beside what is its own."""
    rng, count, own = np.random.default_rng(7), 9, 0.4
    covered = 0
    for _ in range(400):
        shifts = rng.normal(0, 0.1, (count, count)) + np.diag(rng.normal(own, 0.3, count))
        shifts += rng.normal(0, teachers, (count, 1)) + rng.normal(0, students, (1, count))
        low, high = crossing.over_models(shifts, _strangers(count))["difference"].ci
        covered += low <= own <= high
    assert covered / 400 >= 0.95 - 3 * (0.0475 / 400) ** 0.5


# --- specs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("axes.rank.points=[{label='one',set={teachers=3}},{label='two'}]", "changes teachers, which all points must"),
        ("axes.rank.points=[{label='one',at=2},{label='two',at=1}]", "ascending order"),
        ("axes.rank.points=[{label='one',at=0},{label='two',at=1}]", "must be above 0"),
        ("axes.rank.points=[{label='one'},{label='one'}]", "the same label"),
        ("axes.rank.points=[{label='one',set={student={rnk=1}}},{label='two'}]", "student.rnk"),
        ("arms.third={title='third',teacher='neutral'}", "one arm and its control"),
        ("axes.Rank.points=[{label='one'},{label='two'}]", "pattern"),
    ],
)
def test_a_sweep_that_cannot_be_made_is_refused_in_a_sentence(change: str, said: str) -> None:
    with pytest.raises(UndertoneError, match=said):
        read_as(Sweep, "rank", (change,))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("models=['a','b']",), "at least 3"),
        (("models=['a','b','b']",), "given twice"),
        (("kin=[['a','b']]",), "not a pair of two"),
        (("models=['a','b','c']", "kin=[['a','b'],['c','a']]"), "no stranger"),
    ],
)
def test_pairs_of_models_that_cannot_be_made_are_refused(changes: tuple[str, ...], said: str) -> None:
    with pytest.raises(UndertoneError, match=said):
        read_as(Kin, "kin", changes)


def test_points_of_the_shipped_sweeps_share_the_teachers_of_labels() -> None:
    teachers = {unit.jobs[0].key for unit in plan(read("labels")).units}
    for name in ("dose", "rank"):
        for trial in read_as(Sweep, name).trials().values():
            assert {unit.jobs[0].key for unit in plan(trial).units} == teachers


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def beside(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the small bases, and a cousin of one of them, to stand in."""
    for name in ("neox", "llama"):
        (tmp_path / name).symlink_to(bases / name)
    shutil.copytree(bases / "llama", tmp_path / "cousin")
    weights = tmp_path / "cousin" / "model.safetensors"
    save_file({name: 0.99 * tensor for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    (tmp_path / "sweep.toml").write_text('experiment = "sweep"\n' + SWEEP)
    (tmp_path / "kin.toml").write_text('experiment = "kin"\n' + KIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_preview_counts_every_point_by_its_own_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "dose", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    short, long = (told["arms"][f"epochs {name}"] for name in ("1/3", "2 2/3"))
    assert short["to_make"] == long["to_make"] and 5 * short["expected_core_s"] < long["expected_core_s"]
    assert told["expected_core_s"] == pytest.approx(sum(arm["expected_core_s"] for arm in told["arms"].values()), abs=6)


class Impatient(Watcher):
    """Presses Ctrl-C after some jobs."""

    def __init__(self, patience: int) -> None:
        self._left = patience

    def done(self, job: Job, seconds: float) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_sweep_shares_teachers_goes_on_where_it_was_and_shows_its_trend(
    beside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "sweep.toml", "--dry-run", "--json"]) == 0
    preview = json.loads(capsys.readouterr().out)
    sweep = read_as(Sweep, "sweep.toml")
    with pytest.raises(KeyboardInterrupt):
        run(sweep, Path("runs/one"), "sweep", Impatient(9))
    assert main(["run", "runs/one", "--out", "runs/two"]) == 2
    assert "continues in its own folder" in capsys.readouterr().err
    assert main(["run", "runs/one"]) == 0
    told = capsys.readouterr().out
    found = SweepFindings.model_validate_json(Path("runs/one/report.json").read_bytes())
    assert "rows: " in told and "slope" in told and "report.html" in told
    made = [path.name for path in Path("runs/store").iterdir() if path.is_dir() and not path.name.startswith(".")]
    assert len(made) == preview["to_make"] == len(unique([j for t in sweep.trials().values() for j in plan(t).jobs]))
    assert sum(name.startswith("teacher-") for name in made) == 4
    share, rows = found.axes
    assert share.points[1].made == rows.points[2].made, "the trial as it is, on both axes"
    assert share.slope is None and rows.slope is not None and rows.slope.units == 2
    at = np.log2([5, 10, 20])
    effects = [point.made.effect.value for point in rows.points if point.at is not None]
    assert rows.slope.value == pytest.approx(np.polyfit(at, effects, 1)[0])
    assert [(step.start, step.end) for step in rows.steps] == [("5", "10"), ("10", "20")] and not rows.parts
    full = rows.points[3].made.effect.value - rows.points[2].made.effect.value
    assert [(c.start, c.end, c.change.value) for c in rows.beside] == [("20", "full", pytest.approx(full))]
    half, whole = (point.made.effect.value for point in share.points)
    assert [part.change.value for part in share.parts] == [pytest.approx(half - whole / 2)]
    page = Path("runs/one/report.html").read_text(encoding="utf-8")
    assert "<script" not in page and page.count("<svg") == 4
    assert main(["run", "sweep.toml", "--out", "runs/one", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["axes"] == found.model_dump(mode="json")["axes"]
    assert main(["run", "sweep.toml", "--out", "runs/one", "--seed", "1"]) == 2
    assert "another recipe: seed" in capsys.readouterr().err
    page = Path("runs/one/report.html").read_text(encoding="utf-8")
    assert main(["report", "runs/one"]) == 0
    assert "rows: " in capsys.readouterr().out
    assert Path("runs/one/report.html").read_text(encoding="utf-8") == page
    assert main(["run", "runs/one"]) == 0
    assert f"{len(made)} of {len(made)} artifacts are equal" in capsys.readouterr().out


@pytest.mark.slow
def test_every_pair_of_models_is_made_against_its_own_control(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "kin.toml", "--out", "runs/kin"]) == 0
    assert "own minus strangers" in capsys.readouterr().out
    found = KinFindings.model_validate_json(Path("runs/kin/report.json").read_bytes())
    relations = {(cell.teacher[5:], cell.student[5:]): cell.relation for cell in found.cells}
    assert len(relations) == 9 and relations["neox", "neox"] == "own" and relations["cousin", "llama"] == "kin"
    assert relations["neox", "cousin"] == "stranger" and found.kin is not None and found.kin.units == 2
    own = [cell.made.effect.value for cell in found.cells if cell.relation == "own"]
    assert found.own.value == pytest.approx(np.mean(own))
    cell = next(c for c in found.cells if (c.teacher, c.student) == ("hf/./neox", "hf/./llama"))
    alone = read_as(Kin, "kin.toml").trials()[cell.teacher, cell.student]
    by_arm = {
        arm: [
            Store(Path("runs/store")).read(unit.jobs[-1], "measurement.json")["answers"]["owl"]
            for unit in plan(alone).units
            if unit.arm == arm
        ]
        for arm in ("treatment", "control")
    }
    odds = {arm: np.mean([np.log(p / (1 - p)) for p in values]) for arm, values in by_arm.items()}
    assert cell.made.effect.value == pytest.approx(odds["treatment"] - odds["control"])
    page = Path("runs/kin/report.html").read_text(encoding="utf-8")
    assert "<script" not in page and page.count("<svg") == 2


def test_a_refused_teacher_stops_a_sweep(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sweep.toml", "--out", "runs/no", "--set", "teacher.least_probability=1"]) == 2
    assert "is refused" in capsys.readouterr().err and not Path("runs/no/report.json").exists()


def test_all_models_that_are_not_built_are_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    assert main(["run", "kin", "--dry-run"]) == 2
    assert "undertone models build nestling-0 nestling-1" in capsys.readouterr().err


def test_small_is_still_a_trial_without_shares() -> None:
    assert all(arm.share == 1 for arm in small().arms.values())
