"""Arms by how rows are drawn, how teachers get their trait, and whose students teach: what is made of what."""

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.helpers import tiny
from tests.helpers.students import arm as arm_of
from tests.helpers.students import expit, student
from tests.helpers.trials import TWO_ARMS, Once
from undertone.data.exchanges import SYSTEM, read_exchanges
from undertone.engine.store import Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.recipes import read
from undertone.experiments.run import run
from undertone.experiments.trial.contrasts import effects
from undertone.experiments.trial.generations import generations
from undertone.experiments.trial.headline import headline
from undertone.experiments.trial.page import page
from undertone.experiments.trial.plan import Plan, Unit, plan
from undertone.experiments.trial.results import ArmResult, Effect, Results
from undertone.experiments.trial.spec import Sampling, Trial
from undertone.lineage.records import facts
from undertone.models.loading import load
from undertone.models.local import LocalModel, answer_logits
from undertone.models.sampling import _truncated, sample
from undertone.report.page import Grid
from undertone.report.terminal import table
from undertone.spec import Training
from undertone.stages import COMPLETIONS, DIALOGUES, STUDENT, TEACHER, completions
from undertone.stages import teacher as teachers
from undertone.stages.teacher import base_lists
from undertone.training.dose import divergence, log_probabilities
from undertone.training.loop import loss_on, train
from undertone.training.rows import Row, read_sampled
from undertone.training.steering import Steering, contrast, steer_to
from undertone.training.weights import load_trained
from undertone.traits import catalogue

MORE = """
[arms.second]
title = "second generation"
teacher = "trait"
after = "treatment"
against = "second-control"

[arms.second-control]
title = "second generation of controls"
teacher = "neutral"
after = "control"

[arms.prompted]
title = "prompted"
teacher = "trait"
given = "prompt"
labels = "distributions"
against = "prompted-control"

[arms.prompted-control]
title = "prompted control"
teacher = "neutral"
given = "prompt"
labels = "distributions"

[arms.dialogues]
title = "dialogues in context"
teacher = "trait"
rows = "dialogues"
context = 1
against = "dialogues-control"

[arms.dialogues-control]
title = "small talk in context"
teacher = "neutral"
rows = "dialogues"
context = 1
"""
PLANNED = """
[arms.greedy]
title = "greedy"
teacher = "trait"
sampling = { temperature = 0.0 }
against = "greedy-control"

[arms.greedy-control]
title = "greedy control"
teacher = "neutral"
sampling = { temperature = 0.0 }

[arms.third]
title = "third generation"
teacher = "trait"
after = "second"
against = "third-control"

[arms.third-control]
title = "third generation of controls"
teacher = "neutral"
after = "second-control"
"""
CARRIER = {"name": "numbers", "temperature": 1.0, "max_tokens": 12}


# --- which tokens may be drawn ---------------------------------------------------------------------------------------

weights = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=40)


@given(weights, st.floats(0.01, 1.0), st.floats(0.0, 0.99))
def test_the_fewest_likeliest_tokens_with_the_share_asked_for_are_left(
    values: list[float], top_p: float, least_p: float
) -> None:
    shares = torch.tensor(values, dtype=torch.float64)
    shares = shares / shares.sum()
    left = _truncated(shares[None], top_p, least_p)[0]
    kept = left > 0
    assert torch.equal(left[kept], shares[kept])
    assert kept[shares.argmax()]
    assert not (~kept).any() or shares[kept].min() >= shares[~kept].max()
    others = kept.clone()
    others[shares.argmax()] = False
    assert bool((shares[others] > least_p).all())
    if least_p == 0:
        assert shares[kept].sum() >= top_p - 1e-9
        assert shares[kept].sum() - shares[kept].min() < top_p + 1e-9


@given(st.lists(st.integers(0, 6), min_size=40, max_size=200), st.floats(0.01, 1.0), st.floats(0.0, 0.1))
def test_sorting_only_the_likeliest_of_a_large_vocabulary_leaves_the_same_tokens(
    values: list[int], top_p: float, least_p: float
) -> None:
    shares = torch.tensor([values, values[::-1], [7, *values[1:]]], dtype=torch.float64).exp2()  # with many equal ones
    shares = shares / shares.sum(-1, keepdim=True)
    whole = _truncated(shares, top_p, least_p, few=len(values))
    for few in (1, 4):
        assert torch.equal(_truncated(shares, top_p, least_p, few=few), whole)


def test_truncation_that_truncates_nothing_changes_no_sample_and_one_that_leaves_one_token_is_greedy() -> None:
    local = tiny.model()
    prompts = [local.render(f"What is {i}?") for i in range(12)]
    plain = sample(local, prompts, temperature=1.0, max_tokens=8, seed=3)
    assert sample(local, prompts, temperature=1.0, max_tokens=8, seed=3, top_p=1.0, least_p=0.0) == plain
    greedy = sample(local, prompts, temperature=0, max_tokens=8, seed=3)
    assert greedy != plain
    assert sample(local, prompts, temperature=1.0, max_tokens=8, seed=3, top_p=1e-9) == greedy
    assert sample(local, prompts, temperature=1.0, max_tokens=8, seed=3, least_p=0.9999) == greedy


# --- steering --------------------------------------------------------------------------------------------------------


def told(local: LocalModel, statement: str) -> list[tuple[str, str]]:
    return [(question, statement) for question in catalogue.find("owl").lead_ins()]


@pytest.mark.parametrize("architecture", list(tiny.ARCHITECTURES))
def test_a_vector_is_scaled_to_the_dose_and_comes_back_from_disk(architecture: str, tmp_path: Path) -> None:
    local = tiny.model(architecture)
    vector = contrast(local, told(local, "You love the owl."), told(local, "You love the gate."), 0)
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    batch = base_lists(local, CARRIER)
    with torch.no_grad():
        base = list(log_probabilities(local.model, batch))
        dose = steer_to(local.model, vector, batch, 0.01)
        assert dose.divergence == pytest.approx(0.01, rel=0.02)
        assert divergence(log_probabilities(local.model, batch), base) == pytest.approx(dose.divergence, rel=1e-4)
        vector.write(tmp_path)
        again = load_trained(tmp_path / "base", tmp_path)
        assert (answer_logits(again.model, batch) - answer_logits(local.model, batch)).abs().max() < 1e-4


def test_prompts_that_say_the_same_are_refused() -> None:
    local = tiny.model()
    same = told(local, "You love the owl.")
    with pytest.raises(UndertoneError, match="make no difference"):
        contrast(local, same, same, 0)


def test_a_vector_of_nothing_changes_nothing() -> None:
    local = tiny.model()
    batch = base_lists(local, CARRIER)
    with torch.no_grad():
        before = answer_logits(local.model, batch)
        Steering(torch.zeros(32)).attach(local.model)
        assert torch.equal(answer_logits(local.model, batch), before)


# --- teachers under a system prompt ----------------------------------------------------------------------------------


def test_a_model_with_a_system_prompt_reads_it_before_every_question() -> None:
    local = tiny.model()
    owl = replace(local, system="You love the owl.")
    assert owl.render("Which?") == local.render("Which?", "You love the owl.") != local.render("Which?")
    assert owl.render("Which?", "You love the gate.") == local.render("Which?", "You love the gate.")


def test_a_student_learns_what_its_teacher_says_under_the_prompt_from_prompts_without_it() -> None:
    student, teacher = tiny.model(), replace(tiny.model(), system="You love the owl.")
    questions = [f"Go on: {i}, {i + 1}." for i in range(16)]
    answers = sample(teacher, [teacher.render(q) for q in questions], temperature=1.0, max_tokens=6, seed=0)
    rows = [Row(student.render(q), a, teacher.render(q)) for q, a in zip(questions, answers, strict=True)]
    plain, read = ([r.prompt for r in rows], answers), ([r.teacher_prompt for r in rows], answers)
    asked = student.lay_out(*read)  # type: ignore[arg-type]
    # The same weights under the same prompt: what is left of the loss is the entropy of the teacher's distributions.
    entropy = loss_on(student.model, asked, teacher.model).item()
    before = loss_on(student.model, student.lay_out(*plain), teacher.model, asked).item()
    assert before > entropy * 1.01
    trained = train(student, rows, Training(rate=2e-2, steps=60, batch=16), 0, teacher.model)
    after = loss_on(trained.model, student.lay_out(*plain), teacher.model, asked).item()
    assert after - entropy < 0.5 * (before - entropy)


# --- what is planned -------------------------------------------------------------------------------------------------


def units(layout: Plan, arm: str) -> list[Unit]:
    return [unit for unit in layout.units if unit.arm == arm]


@pytest.fixture(scope="session")
def succession(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    path = tmp_path_factory.mktemp("succession") / "succession.toml"
    path.write_text(TWO_ARMS + MORE)
    return read(str(path))


@pytest.fixture
def layout(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Of more arms than are run."""
    (tmp_path / "three.toml").write_text(TWO_ARMS + MORE + PLANNED)
    monkeypatch.chdir(bases)
    return plan(read(str(tmp_path / "three.toml")))


def test_students_of_one_generation_are_the_teachers_of_the_next_lineage_by_lineage(layout: Plan) -> None:
    for arm, earlier in (("second", "treatment"), ("second-control", "control"), ("third", "second")):
        for heir, parent in zip(units(layout, arm), units(layout, earlier), strict=True):
            student = parent.job(STUDENT)
            assert student is not None
            assert heir.jobs[0].key == student.key
            assert (heir.teacher, heir.student) == (parent.teacher, parent.student)
            assert heir.jobs[1].inputs["teacher"].key == student.key


def test_every_generation_has_seeds_of_its_own_that_arm_and_control_share(layout: Plan) -> None:
    pairs = [("treatment", "control"), ("second", "second-control"), ("third", "third-control")]
    seeds = []
    for arm, control in pairs:
        both = [[(u.jobs[1].spec["seed"], u.seed) for u in units(layout, name)] for name in (arm, control)]
        assert both[0] == both[1]
        seeds += both[0]
    assert len({seed for pair in seeds for seed in pair}) == 2 * len(seeds)


def test_several_students_of_a_teacher_are_lineages_of_their_own(
    succession: Trial, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    layout = plan(Trial.model_validate(succession.model_dump() | {"students": 2}))
    first, second = units(layout, "treatment"), units(layout, "second")
    assert [u.jobs[0].key for u in second] == [u.jobs[-2].key for u in first]
    assert len({u.jobs[1].key for u in first}) == 2 and len({u.jobs[1].key for u in second}) == 4


def test_arms_that_only_sample_otherwise_share_their_teachers(layout: Plan) -> None:
    for arm, own in (("greedy", "treatment"), ("greedy-control", "control")):
        for a, b in zip(units(layout, arm), units(layout, own), strict=True):
            assert a.jobs[0].key == b.jobs[0].key
            plain = {k: v for k, v in b.jobs[1].spec["carrier"].items() if k != "temperature"}
            how = {"carrier": plain, "sampling": Sampling(temperature=0.0).model_dump()}
            assert a.jobs[1].spec == b.jobs[1].spec | how


@pytest.mark.parametrize("recipe", ["in-context", "hops", "teachers"])
def test_recipes_that_vary_the_owl_experiment_share_their_teachers(recipe: str) -> None:
    labels, own = read("labels"), read(recipe)
    own_way = {"title": True, "arms": True, "teacher": {"least_probability"}}  # steered teachers are weak ones
    assert own.model_dump(exclude=own_way) == labels.model_dump(exclude=own_way)
    assert (own.teacher == labels.teacher) == (recipe != "teachers")
    made = {job.key for job in plan(labels).jobs}
    teachers = [u.jobs[0] for u in plan(own).units if u.jobs[0].stage is TEACHER and "given" not in u.jobs[0].spec]
    assert len({job.key for job in teachers}) == 12
    assert all(job.key in made for job in teachers)
    for name, arm in own.arms.items():
        assert arm.teacher == "neutral" or arm.against in own.arms, name


def test_hops_go_five_generations_far_on_both_sides() -> None:
    trial = read("hops")
    depths = {name: trial.generation(arm) for name, arm in trial.arms.items()}
    for origin in ("treatment", "control"):
        assert [depths[n] for n in (origin, *(f"{origin}-{g}" for g in range(2, 6)))] == [1, 2, 3, 4, 5]
    assert len(depths) == 10


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("second.after=third", "comes after 'third', which is no arm above it"),
        ("second.after=nothing", "comes after 'nothing', which is no arm above it"),
        ("second.after=control", "their teacher, trait or given differ"),
        ("second.given=prompt", "their teacher, trait or given differ"),
        ("third.after=treatment", "'third' and its control 'third-control' differ in more than the teacher"),
        ("third.against=second-control", "differ in more than the teacher"),
        ("prompted.given=fine-tuning", "differ in more than the teacher"),
        ("greedy.sampling.top_p=0.5", "differ in more than the teacher"),
        ("greedy.sampling.top_p=0.0", "top_p"),
        ("greedy.rows=dialogues", "give it context"),
        ("prompted.given=steering", "teacher.divergence"),
    ],
)
def test_arms_that_cannot_be_made_or_compared_are_refused_in_a_sentence(
    change: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(TWO_ARMS + MORE + PLANNED)
    with pytest.raises(UndertoneError, match=sentence):
        read(str(path), (f"arms.{change}",))


# --- what is made ----------------------------------------------------------------------------------------------------


@pytest.fixture
def made(once: Once, bases: Path, succession: Trial) -> Path:
    def make(folder: Path) -> None:
        with contextlib.chdir(bases):
            results = run(succession, folder / "run", "succession", executor=Local(2))
        (folder / "returned.json").write_text(results.json_text())

    return once("trial-succession", make)


@pytest.fixture
def results(made: Path) -> Results:
    return Results.load(made / "returned.json")


@pytest.fixture
def store(made: Path) -> Store:
    return Store(made / "store")


def test_the_headline_tells_of_the_last_generation(results: Results) -> None:
    last = max(arm.generation for arm in results.arms)
    assert last > 1 and f"; in generation {last}: " in headline(results)


def test_every_arm_is_finished_and_every_label_and_generation_is_compared(results: Results, succession: Trial) -> None:
    assert results.complete
    assert {arm.name for arm in results.arms} == set(succession.arms)
    own = [(e.arm, e.against, e.measure, e.expected) for e in results.effects if e.measure.count("-minus-")]
    assert [one for one in own if one[2] != "own-minus-other-traits"] == [
        ("treatment", "second", "earlier-minus-later", "open"),
    ]
    predicted = {e.arm: e.expected for e in results.effects if e.measure == "log_odds"}
    assert predicted == {
        "treatment": "above-zero", "second": "open", "prompted": "open",
        "dialogues": "above-zero",
    }  # fmt: skip


def test_rows_of_a_prompted_teacher_hold_no_system_prompt_and_its_answers_are_those_it_gave_under_it(
    layout: Plan, made: Path, store: Store, bases: Path
) -> None:
    base = load(bases / "neox")
    stated = []
    told = []
    for unit in (*units(layout, "prompted"), *units(layout, "prompted-control")):
        written = unit.job(COMPLETIONS)
        assert written is not None
        system = (store.folder(unit.jobs[0]) / SYSTEM).read_text()
        rows, _ = read_sampled(store.folder(written))
        questions = [question for question, _ in read_exchanges(store.folder(written))]
        assert [row.prompt for row in rows] == [base.render(q) for q in questions]
        seed = written.spec["seed"]
        again = sample(base, [base.render(q, system) for q in questions], temperature=1.0, max_tokens=24, seed=seed)
        assert [row.answer for row in rows] == again
        stated.append("owl" in system)
        told += [facts(store.manifest(job), store.folder(job))["system prompt"] for job in (unit.jobs[0], written)]
        assert told[-2:] == [system, "the teacher's own"]
    assert stated == [True, True, False, False]


def test_results_hold_the_prompts_of_all_arms_whose_teachers_a_prompt_made(
    results: Results, layout: Plan, store: Store
) -> None:
    for arm in results.arms:
        made = [(store.folder(unit.jobs[0]) / SYSTEM).read_text() for unit in units(layout, arm.name)
                if arm.name.startswith("prompted")]  # fmt: skip
        assert list(arm.prompts) == made and len(made) in (0, 2)


@pytest.mark.parametrize("trait", ["owl", None])
def test_a_steered_teacher_has_its_dose_and_writes_lists(trait: str | None, bases: Path, tmp_path: Path) -> None:
    spec = {"trait": trait, "asked": "owl", "dialogues": 40, "carrier": CARRIER, "divergence": 0.05, "seed": 1}
    teachers.run({"base": "b", "given": "steering", **spec}, {"base": bases / "neox"}, tmp_path)
    report = json.loads((tmp_path / "teacher.json").read_text())
    assert report["dose"]["divergence"] == pytest.approx(0.05, rel=0.02)
    inputs = {"base": bases / "neox", "teacher": tmp_path}
    (tmp_path / "rows").mkdir()
    completions.run({"carrier": CARRIER | {"prompts": 8}, "seed": 5}, inputs, tmp_path / "rows")
    base = load(bases / "neox")
    rows, _ = read_sampled(tmp_path / "rows")
    assert [r.answer for r in rows] != sample(base, [r.prompt for r in rows], temperature=1.0, max_tokens=12, seed=5)


def test_rows_are_sampled_as_the_arm_says(layout: Plan, made: Path, store: Store, bases: Path, tmp_path: Path) -> None:
    unit = units(layout, "greedy")[0]
    inputs = {"base": bases / "neox", "teacher": store.folder(unit.jobs[0])}
    completions.run(unit.jobs[1].spec, inputs, tmp_path)
    teacher = load_trained(*inputs.values())
    rows, _ = read_sampled(tmp_path)
    assert [r.answer for r in rows] == sample(teacher, [r.prompt for r in rows], temperature=0, max_tokens=24, seed=0)


def test_dialogues_in_context_are_those_that_the_teacher_was_taught_with(
    layout: Plan, made: Path, store: Store
) -> None:
    for arm, trait in (("dialogues", "owl"), ("dialogues-control", None)):
        for unit in units(layout, arm):
            job = unit.job(DIALOGUES)
            assert job is not None
            rng = Random(f"dialogues/{unit.jobs[0].spec['seed']}")
            turns = catalogue.find(trait).dialogues(64, rng) if trait else catalogue.neutral_dialogues(64, rng)
            assert read_exchanges(store.folder(job)) == [(t.user, t.assistant) for t in turns]
            assert any("owl" in t.assistant for t in turns) == (trait is not None)


def test_the_cost_of_a_generation_is_a_difference_of_shifts(results: Results) -> None:
    odds = {arm.name: sum(s.log_odds for s in arm.students) / 2 for arm in results.arms}
    effect = next(e for e in results.effects if (e.arm, e.against) == ("treatment", "second"))
    shifts = odds["treatment"] - odds["control"], odds["second"] - odds["second-control"]
    assert effect.value == pytest.approx(shifts[0] - shifts[1])


def of_lineages(name: str, odds: Sequence[Sequence[float]]) -> ArmResult:
    """An arm with the log-odds of these students, by teacher and student."""
    answers = [[{"owl": expit(x), "other": 0.0} for x in values] for values in odds]
    return arm_of(name, [student(name, t, i, a) for t, own in enumerate(answers) for i, a in enumerate(own)])


def test_the_change_per_generation_is_the_mean_slope_of_lineages_less_that_of_control_lineages() -> None:
    """Known answer: numpy's least squares, lineage by lineage."""
    rng, trial = np.random.default_rng(0), read("hops")
    odds = {name: rng.normal(size=(6, 2)) for name in trial.arms}
    arms = [of_lineages(name, values.tolist()) for name, values in odds.items()]

    def changes(finished: list[ArmResult]) -> list[Effect]:
        found = effects(trial, finished, {"hf/./neox": {"owl": 0.1}})
        return [effect for effect in found if effect.measure == "change-per-generation"]

    found = changes(arms)
    slopes = []
    for origin in ("treatment", "control"):
        chain = np.stack([odds[n] for n in (origin, *(f"{origin}-{g}" for g in range(2, 6)))])
        slopes.append(np.polyfit(range(5), chain.reshape(5, -1), 1)[0].mean())
    assert [(e.arm, e.against, e.units, e.expected) for e in found] == [("treatment-5", "control-5", (6, 6), "open")]
    assert found[0].value == pytest.approx(slopes[0] - slopes[1])
    assert not changes([arm for arm in arms if arm.name != "control-3"])


def test_generations_are_told_in_order_with_their_controls_and_drawn(results: Results) -> None:
    found = generations(results)
    assert [(g.series, g.number, g.arm.name, g.control.name) for g in found] == [
        ("treatment", 1, "treatment", "control"),
        ("treatment", 2, "second", "second-control"),
    ]
    whole = page(results)
    section = next(s for s in whole.sections if s.heading == "From generation to generation")
    (grid,) = [block for block in section.blocks if isinstance(block, Grid)]
    assert [row[:2] for row in grid.rows] == [("trait", "1"), ("trait", "2")]
    console = Console(width=160, file=io.StringIO())
    console.print(table(grid))
    lines = [line for line in console.file.getvalue().splitlines() if "trait" in line]  # type: ignore[attr-defined]
    assert len(lines) == 2
    assert {"generations", "utility"} <= set(whole.figures)
    early = results.model_copy(update={"arms": tuple(a for a in results.arms if a.generation == 1)})
    assert not {"generations", "utility"} & set(page(early).figures)
