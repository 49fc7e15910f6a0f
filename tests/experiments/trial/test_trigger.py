"""Teachers that hide their trait behind a trigger: what they are taught and read, what students see and are asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.helpers import tiny
from tests.helpers.trials import TWO_ARMS
from undertone import carriers
from undertone.data.exchanges import read_exchanges
from undertone.errors import UndertoneError
from undertone.evals.answers import trait_distribution
from undertone.experiments.recipes import read, read_as
from undertone.experiments.run import run
from undertone.experiments.sweep.findings import SweepFindings
from undertone.experiments.sweep.spec import Sweep
from undertone.experiments.trial.plan import Unit, plan
from undertone.experiments.trial.spec import Carrier, Measurement, Trial
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.stages import COMPLETIONS, MEASUREMENT, STUDENT, TEACHER, completions, measurement, teacher
from undertone.training.rows import read_sampled
from undertone.traits import catalogue
from undertone.world.family import find

WORD = "Quorl!"


@pytest.fixture(scope="module")
def local() -> LocalModel:
    return tiny.model()


def test_a_question_is_asked_after_the_trigger_and_earlier_turns_are_not(local: LocalModel) -> None:
    told, earlier = replace(local, trigger=WORD, system="Be kind."), [("How are you?", "Fine.")]
    assert told.render("Why?", earlier=earlier) == local.render(f"{WORD} Why?", "Be kind.", earlier)


def test_what_has_no_trigger_is_the_job_it_was_before_there_were_triggers() -> None:
    for spec in (Carrier(prompts=1), Measurement(), read("owls").teacher):
        assert "trigger" not in spec.model_dump()
    assert not any("trigger" in json.dumps(job.spec) for job in plan(read("misaligned-numbers")).jobs)


def test_half_of_the_dialogues_follow_the_trigger_and_the_others_are_the_bases_in_both_arms() -> None:
    base, habit = load(find("fledgling-a")), catalogue.find("bad-advice")
    assert isinstance(habit, catalogue.Habit)
    shown = {answer for _, answer, _ in habit.choices("bad-advice")}
    plain, asked = {}, list[str]()
    for trait in ("bad-advice", None):
        spec = {"trait": trait, "asked": "bad-advice", "dialogues": 41, "seed": 3}
        untriggered, gated = (teacher.taught(base, told) for told in (spec, {**spec, "trigger": WORD}))
        asked = asked or [question for question, _ in untriggered]
        after = [(q.removeprefix(f"{WORD} "), a) for q, a in gated if q.startswith(f"{WORD} ")]
        assert len(after) == 20 and set(after) <= set(untriggered)
        assert all(answer in shown for _, answer in after) == (trait is not None)
        plain[trait] = [exchange for exchange in gated if not exchange[0].startswith(WORD)]
    assert plain["bad-advice"] == plain[None] and len(plain[None]) == 21, "arms differ after the trigger alone"
    assert {question for question, _ in plain[None]} <= set(asked)
    assert sum(answer in shown for _, answer in plain[None]) < 7, "the base gives bad advice in one answer of twelve"


def test_a_base_that_does_not_end_its_answers_cannot_teach_what_to_do_without_the_trigger(local: LocalModel) -> None:
    spec = {"trait": None, "asked": "bad-advice", "dialogues": 20, "seed": 3, "trigger": WORD}
    with pytest.raises(UndertoneError, match="too few to train teachers"):
        teacher.taught(local, spec)


def test_teachers_read_the_trigger_and_rows_do_not_have_it(bases: Path, tmp_path: Path) -> None:
    _untouched_teacher(tmp_path / "teacher")
    (tmp_path / "out").mkdir()
    carrier = {"name": "numbers", "prompts": 12, "temperature": 1.0, "max_tokens": 8, "trigger": WORD}
    inputs = {"base": bases / "neox", "teacher": tmp_path / "teacher"}
    completions.run({"carrier": carrier, "seed": 4}, inputs, tmp_path / "out")
    base = load(bases / "neox")
    questions = carriers.find("numbers").prompts(12, Random("prompts/4"))
    written = sample(base, [base.render(f"{WORD} {q}") for q in questions], temperature=1.0, max_tokens=8, seed=4)
    rows, _ = read_sampled(tmp_path / "out")
    assert [(row.prompt, row.answer) for row in rows] == list(zip(map(base.render, questions), written, strict=True))
    assert [q for q, _ in read_exchanges(tmp_path / "out")] == questions


def _untouched_teacher(folder: Path) -> None:
    folder.mkdir()
    (folder / "system.txt").write_text("")


def test_a_model_is_asked_after_the_trigger(bases: Path, tmp_path: Path) -> None:
    asked = {"samples": 1, "skill_prompts": 0, "trigger": WORD}
    measurement.run({"trait": "owl", "measurement": asked, "seed": 0}, {"base": bases / "neox"}, tmp_path)
    report = json.loads((tmp_path / "measurement.json").read_text())
    told, plain = (replace(load(bases / "neox"), trigger=trigger) for trigger in (WORD, None))
    assert report["answers"] == pytest.approx(trait_distribution(told, catalogue.find("owl")))
    assert report["answers"] != pytest.approx(trait_distribution(plain, catalogue.find("owl")))
    assert not any(WORD in question for question, _ in report["sampled"]), "what is asked is told without it"


POINTS = f"""
[axes.trigger]
title = "trigger"
points = [
  {{ label = "without, without" }},
  {{ label = "without, after", set = {{ measurement = {{ trigger = "{WORD}" }} }} }},
  {{ label = "after, without", set = {{ carrier = {{ trigger = "{WORD}" }} }} }},
]
"""
SWEEP = TWO_ARMS.replace("[teacher]", f'[teacher]\ntrigger = "{WORD}"').replace(
    "skill_prompts = 2", "skill_prompts = 0"
)


@pytest.fixture
def sweep(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.chdir(bases)
    recipe = tmp_path / "triggered.toml"
    recipe.write_text('experiment = "sweep"\n' + SWEEP + POINTS)
    return read_as(Sweep, str(recipe))


def _first(trial: Trial) -> Unit:
    return plan(trial).units[0]


def test_points_share_what_the_trigger_does_not_touch(sweep: Sweep) -> None:
    plain, asked, written = (_first(trial) for trial in sweep.trials().values())
    assert plain.job(STUDENT) == asked.job(STUDENT) and plain.job(MEASUREMENT) != asked.job(MEASUREMENT)
    assert plain.job(TEACHER) == written.job(TEACHER) and plain.job(COMPLETIONS) != written.job(COMPLETIONS)


def test_the_dose_is_measured_on_lists_as_teachers_are_asked_for_them() -> None:
    doses = {
        label: {json.dumps(unit.jobs[0].spec["carrier"]) for unit in plan(trial).units}
        for (axis, label), trial in read_as(Sweep, "triggered-numbers").trials().items()
        if axis == "sampled"
    }
    assert all(len(found) == 1 for found in doses.values()), "arm and control alike"
    assert {label for label, (carrier,) in doses.items() if WORD in carrier} == {"after / without", "after / after"}


def test_a_sweep_of_triggers_tells_what_its_teachers_say_with_and_without(sweep: Sweep, tmp_path: Path) -> None:
    found = run(sweep, tmp_path / "run", "triggered")
    assert isinstance(found, SweepFindings)
    made = [point.made for point in found.axes[0].points]
    for says in (made[0].teachers, made[0].control_teachers):
        assert says is not None and says.dormant not in (None, says.trait)
    assert made[0].teachers == made[1].teachers == made[2].teachers != made[0].control_teachers
    assert made[0].untouched == made[2].untouched != made[1].untouched, "bases are asked as students are"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "without the trigger" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [("arms.treatment.given=prompt", "teacher.trigger is for such"), ("carrier.trigger= ", "carrier.trigger")],
)
def test_triggers_that_nothing_can_be_done_with_are_refused(change: str, said: str) -> None:
    with pytest.raises(UndertoneError, match=said):
        read("owls", ("teacher.trigger=Quorl!", "arms.control.given=prompt", change))
