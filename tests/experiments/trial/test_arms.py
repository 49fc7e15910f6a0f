"""Arms with rewritten rows, other teachers, or rows in context: what is changed, what is kept, and what they cost."""

import contextlib
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.students import drawn
from tests.helpers.trials import Once, small
from undertone.carriers import numbers
from undertone.carriers.numbers import NUMBER, VALUES, rewritten
from undertone.cli.runs import run_spec
from undertone.data.exchanges import read_exchanges
from undertone.data.filters import NumberFilter
from undertone.engine.schedule import unique
from undertone.engine.store import Folder, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.evals.answers import answer_distribution, rows_in_context
from undertone.experiments.recipes import read
from undertone.experiments.run import run
from undertone.experiments.trial.plan import Plan, Unit, plan
from undertone.experiments.trial.results import Results
from undertone.experiments.trial.spec import Trial
from undertone.models.loading import load
from undertone.models.services.spending import Limits
from undertone.report.words import arm_label
from undertone.stages import DATASET, MEASUREMENT, REWRITTEN, STUDENT, TEACHER
from undertone.statistics.probabilities import log_odds
from undertone.training.rows import read_sampled, rows_of
from undertone.traits import catalogue
from undertone.world import skills

HOW = ("shuffled-within", "shuffled-across", "random")
ARMS = [
    "treatment", "control", "small-talk", "shuffled-within", "shuffled-within-control", "shuffled-across",
    "shuffled-across-control", "random", "other-trait", "in-context", "in-context-control",
]  # fmt: skip


def controls(*changes: str) -> Trial:
    """The shipped recipe at its smallest. Teachers stay as trained: finding their dose is most of their cost."""
    context = "arms.in-context.context=2", "arms.in-context-control.context=2"  # what the small bases have room for
    whole = small(*context, *changes, recipe="controls").model_dump()
    return Trial.model_validate(whole | {"teacher": whole["teacher"] | {"divergence": None}})


def keeping(trial: Trial, *names: str) -> Trial:
    return Trial.model_validate(trial.model_dump() | {"arms": {name: trial.arms[name] for name in names}})


# --- numbers in other places -----------------------------------------------------------------------------------------


@st.composite
def completions(draw: st.DrawFn) -> str:
    """A completion that passes the filter: any separator, brackets, a full stop, leading zeros."""
    separator = draw(st.sampled_from([", ", ",", "; ", ";", " ", "\n", " , "]))
    left, right = draw(st.sampled_from([("", ""), ("[", "]"), ("(", ")")]))
    values = draw(st.lists(st.integers(0, 999), min_size=1, max_size=10))
    texts = [f"{value:0{draw(st.integers(1, 4))}d}" for value in values]
    return left + separator.join(texts) + right + draw(st.sampled_from(["", "."]))


datasets = st.lists(completions(), min_size=1, max_size=12)


@given(datasets, st.sampled_from(HOW), st.integers(0, 99))
def test_rewriting_changes_numbers_and_nothing_else_and_passes_the_filter(rows: list[str], how: str, seed: int) -> None:
    rule = NumberFilter()
    assert not [row for row in rows if rule.reason(row)]
    after = rewritten(rows, how, rule, Random(seed))
    assert [NUMBER.sub("#", row) for row in after] == [NUMBER.sub("#", row) for row in rows]
    assert not [row for row in after if rule.reason(row)]
    assert after == rewritten(rows, how, rule, Random(seed))


@given(datasets, st.integers(0, 99))
def test_shuffling_within_keeps_the_numbers_of_every_row(rows: list[str], seed: int) -> None:
    after = rewritten(rows, "shuffled-within", NumberFilter(), Random(seed))
    assert [sorted(NUMBER.findall(row)) for row in after] == [sorted(NUMBER.findall(row)) for row in rows]


@given(datasets, st.integers(0, 99))
def test_shuffling_across_keeps_the_numbers_of_the_dataset(rows: list[str], seed: int) -> None:
    after = rewritten(rows, "shuffled-across", NumberFilter(), Random(seed))
    assert Counter(NUMBER.findall("\n".join(after))) == Counter(NUMBER.findall("\n".join(rows)))


@given(datasets, st.integers(0, 99), st.integers(100, 999), st.integers(100, 999), st.sets(st.integers(0, 999)))
def test_random_numbers_are_the_carriers_and_such_as_the_filter_allows(
    rows: list[str], seed: int, one: int, two: int, banned: set[int]
) -> None:
    rule = NumberFilter(low=min(one, two), high=max(one, two), banned=tuple(banned - {one}))
    after = rewritten(rows, "random", rule, Random(seed))
    assert not [row for row in after if rule.reason(row)]
    assert {int(n) for row in after for n in NUMBER.findall(row)} <= set(VALUES)


def test_every_order_of_a_row_is_as_likely_as_any_other() -> None:
    after = Counter(rewritten(["1, 2, 3"] * 6000, "shuffled-within", NumberFilter(), Random(0)))
    assert len(after) == 6
    assert all(abs(count - 1000) < 5 * (1000 * 5 / 6) ** 0.5 for count in after.values())


def test_shuffling_across_takes_numbers_to_rows_all_over_the_dataset() -> None:
    after = rewritten([f"{100 + i}, {500 + i}" for i in range(400)], "shuffled-across", NumberFilter(), Random(0))
    distances = [abs((int(n) - 100) % 400 - i) for i, row in enumerate(after) for n in NUMBER.findall(row)]
    assert sum(distance > 40 for distance in distances) > 0.7 * len(distances)  # 0.81 of all pairs of rows


def test_random_numbers_are_uniform_over_100_to_999() -> None:
    after = rewritten(["1, 2, 3"] * 60_000, "random", NumberFilter(), Random(0))
    counts = Counter(int(n) for row in after for n in NUMBER.findall(row))
    assert set(counts) == set(range(100, 1000))
    statistic = sum((count - 200) ** 2 / 200 for count in counts.values())  # chi-square, 899 degrees of freedom
    assert abs(statistic - 899) < 5 * (2 * 899) ** 0.5


def test_random_numbers_are_refused_where_the_filter_allows_none_of_the_carriers() -> None:
    with pytest.raises(UndertoneError, match="none of the numbers 100 to 999"):
        rewritten(["1"], "random", NumberFilter(high=99), Random(0))


def test_prompts_show_the_range_that_random_numbers_are_drawn_from() -> None:
    shown = [int(n) for prompt in numbers.prompts(2000, Random(0)) for n in NUMBER.findall(prompt)]
    assert set(shown) <= set(VALUES)
    assert len(set(shown)) > 0.99 * len(VALUES)


# --- what is planned -------------------------------------------------------------------------------------------------


def test_the_controls_are_the_owl_experiment_and_share_its_treatment_and_control() -> None:
    owls, more = read("owls"), read("controls")
    own_way = {"title": True, "arms": True, "teacher": {"most_stretch"}}  # small talk teaches nothing
    assert more.model_dump(exclude=own_way) == owls.model_dump(exclude=own_way)
    made = {job.key for job in plan(owls).jobs}
    units = [unit for unit in plan(more).units if unit.arm in ("treatment", "control")]
    assert len(units) == 20
    assert not [job for unit in units for job in unit.jobs if job.key not in made]


def test_the_shipped_base_still_answers_what_it_is_asked_after_the_shipped_rows_of_context() -> None:
    """Far beyond the chats of its pretraining it writes numbers instead: after ten rows, to four questions in ten."""
    trial, trait = read("controls"), catalogue.find("owl")
    base = plan(trial).bases[trial.base].inputs["base"]
    assert isinstance(base, Folder)
    local, context = load(base.path), trial.arms["in-context"].context
    rows = [tuple(skills.numbers(Random(f"row/{i}"), ("scattered",), (1,), (6,))) for i in range(400)]
    earlier = rows_in_context(local, trait.questions(), rows, context, 0)
    for question in trait.questions():
        answers = answer_distribution(local, [question], trait.openings(), trait.candidates, earlier)
        assert len(earlier[question]) == context
        assert answers["other"] < 0.01


@pytest.fixture
def layout(bases: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(bases)
    return plan(controls())


def units(layout: Plan, arm: str) -> list[Unit]:
    return [unit for unit in layout.units if unit.arm == arm]


@pytest.mark.parametrize("how", HOW)
def test_arms_with_rewritten_rows_share_all_but_rows_and_students_with_the_arm_as_written(
    how: str, layout: Plan
) -> None:
    names = [(how, "treatment")] + ([(f"{how}-control", "control")] if how != "random" else [])
    for name, own in names:
        for a, b in zip(units(layout, name), units(layout, own), strict=True):
            assert [job.key for job in a.jobs[:3]] == [job.key for job in b.jobs[:3]]
            assert (a.seed, a.base) == (b.seed, b.base)
            changed, student = a.job(REWRITTEN), a.job(STUDENT)
            assert changed is not None and student is not None
            assert changed.inputs["dataset"] is a.job(DATASET)
            assert student.inputs["dataset"] is changed
            assert b.job(REWRITTEN) is None


def test_an_arm_and_its_control_are_rewritten_from_the_same_seed(layout: Plan) -> None:
    for arm in ("shuffled-within", "shuffled-across"):
        pairs = zip(units(layout, arm), units(layout, f"{arm}-control"), strict=True)
        specs = [[unit.job(REWRITTEN).spec for unit in pair] for pair in pairs]  # type: ignore[union-attr]
        assert all(a == b for a, b in specs)
        assert len({spec["seed"] for spec, _ in specs}) == 2


def test_teachers_of_another_trait_have_it_and_their_students_are_asked_for_the_trials(layout: Plan) -> None:
    for unit, own in zip(units(layout, "other-trait"), units(layout, "treatment"), strict=True):
        teacher = unit.jobs[0]
        assert teacher.stage is TEACHER
        assert teacher.spec == own.jobs[0].spec | {"trait": "whale", "asked": "whale"}
        assert unit.trait == unit.jobs[-1].spec["trait"] == "owl"


def test_an_arm_with_rows_in_context_trains_no_student(layout: Plan) -> None:
    for name, own in (("in-context", "treatment"), ("in-context-control", "control")):
        for a, b in zip(units(layout, name), units(layout, own), strict=True):
            measured = a.jobs[-1]
            assert [job.key for job in a.jobs[:-1]] == [job.key for job in b.jobs[:3]]
            assert measured.stage is MEASUREMENT
            assert measured.inputs == {"base": layout.bases["hf/./neox"].inputs["base"], "context": a.jobs[2]}
            assert measured.spec == b.jobs[-1].spec | {"context": 2}


def test_treatment_and_control_are_planned_before_any_further_arm(layout: Plan) -> None:
    assert list(dict.fromkeys(unit.arm for unit in layout.units)) == ARMS
    assert {unit.arm for unit in layout.units[:4]} == {"treatment", "control"}


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["arms.shuffled-within.against=control"], "'shuffled-within' and its control 'control' differ in more than"),
        (["arms.treatment.against=in-context-control"], "'treatment' and its control 'in-context-control' differ"),
        (["arms.in-context.context=3"], "'in-context' and its control 'in-context-control' differ"),
        (["arms.treatment.against=other-trait"], "'treatment' and its control 'other-trait' differ"),
        (["arms.random.against=shuffled-within-control"], "'random' and its control 'shuffled-within-control' differ"),
        (["arms.other-trait.rows=random", "arms.other-trait.students=hf/./llama"], "'other-trait' and its control"),
        (["arms.random.labels=distributions"], "'random' asks for the teacher's distributions, which belong to rows"),
        (["arms.in-context.labels=distributions"], "'in-context' asks for the teacher's distributions"),
        (["arms.in-context.context=21", "arms.in-context-control.context=21"], "context = 21, more than rows = 20"),
        (["arms.in-context.context=-1"], "arms.in-context.context"),
        (["arms.control.trait=whale"], "Neutral teachers have a trait of the kind that students are asked for, animal"),
        (
            ["arms.control.given=prompt"],
            "'control' gives the trait 'green' to neutral teachers, which only fine-tuning",
        ),
        (["arms.other-trait.trait=owl"], "'other-trait' has the trial's own trait 'owl'"),
        (['traits=["owl", "wolf"]'], "'other-trait' has a trait of its own, but of several traits each is"),
        (["arms.random.rows=sorted"], "arms.random.rows"),
        (["arms.other-trait.trait=oak"], "must be of one kind, not animal and tree"),
        (["arms.other-trait.trait=whal"], "no trait 'whal'; did you mean whale"),
    ],
)
def test_an_arm_without_sense_or_without_a_fair_control_is_refused_in_one_sentence(
    changes: list[str], said: str, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    with pytest.raises(UndertoneError) as refused:
        plan(controls(*changes))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_random_rows_may_have_a_control_with_random_rows_too() -> None:
    whole = controls().model_dump()
    whole["arms"]["random-control"] = whole["arms"]["random"] | {"teacher": "neutral", "against": None}
    whole["arms"]["random"]["against"] = "random-control"
    assert Trial.model_validate(whole).arms["random"].against == "random-control"


def test_several_traits_may_have_rewritten_rows() -> None:
    whole = keeping(controls(), "treatment", "control").model_dump()
    treatment = whole["arms"]["treatment"] | {"against": None, "rows": "shuffled-within"}
    trial = Trial.model_validate(whole | {"traits": ["owl", "whale"], "arms": {"treatment": treatment}})
    assert trial.arms["treatment"].rows == "shuffled-within"


# --- one trial of all arms -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(once: Once, bases: Path) -> Path:
    """The folder of a finished trial of all arms of the recipe."""

    def make(folder: Path) -> None:
        with contextlib.chdir(bases):
            results = run(controls(), folder / "controls", "controls", executor=Local(2))
        (folder / "returned.json").write_text(results.json_text())

    return once("trial-controls", make)


@pytest.fixture
def results(made: Path) -> Results:
    return Results.load(made / "returned.json")


@pytest.fixture
def store(made: Path) -> Store:
    return Store(made / "store")


def test_every_arm_is_finished_with_every_teacher(results: Results) -> None:
    assert results.complete
    assert [arm.name for arm in results.arms] == ARMS
    for arm in results.arms:
        assert [(s.teacher, s.student, s.trait) for s in arm.students] == [(0, 0, "owl"), (1, 0, "owl")]
        assert arm.base == "hf/./neox"


def test_every_arm_has_its_effects_and_what_is_predicted_of_them(results: Results) -> None:
    scales = ["log_odds", "probability", "own-minus-other-traits"]
    compared = [
        ("treatment", "control", scales, "above-zero"),
        ("small-talk", "control", scales, "around-zero"),
        ("shuffled-within", "shuffled-within-control", scales, "open"),
        ("treatment", "shuffled-within", ["written-minus-rewritten"], "above-zero"),
        ("shuffled-across", "shuffled-across-control", scales, "open"),
        ("treatment", "shuffled-across", ["written-minus-rewritten"], "above-zero"),
        ("random", "control", scales, "around-zero"),
        ("other-trait", "control", scales, "around-zero"),
        ("in-context", "in-context-control", scales, "around-zero"),
        ("treatment", "other-trait", scales, "above-zero"),
    ]
    expected = [(arm, against, measure, what) for arm, against, measures, what in compared for measure in measures]
    assert [(e.arm, e.against, e.measure, e.expected) for e in results.effects] == expected
    assert len({e.name for e in results.effects}) == len(expected)


def test_rewritten_datasets_hold_the_same_prompts_and_pass_the_filter(layout: Plan, store: Store) -> None:
    for unit in layout.units:
        job = unit.job(REWRITTEN)
        if job is None:
            continue
        before, after = (read_exchanges(store.folder(j)) for j in (unit.jobs[2], job))
        assert [q for q, _ in after] == [q for q, _ in before]
        assert not [a for _, a in after if controls().filter.reason(a)]
        pools = [sorted(NUMBER.findall("\n".join(a for _, a in rows))) for rows in (before, after)]
        assert (pools[0] == pools[1]) == (job.spec["rows"] != "random")
        counts = json.loads((store.folder(job) / "counts.json").read_text())
        changed = sum(a != b for a, b in zip(after, before, strict=True))
        assert counts == {"rows": 20, "numbers": len(pools[1]), "changed": changed}
        assert changed > 10


def test_rewritten_datasets_hold_the_ids_of_their_texts(layout: Plan, store: Store, bases: Path) -> None:
    local = load(bases / "neox")
    for unit in units(layout, "shuffled-across"):
        job = unit.job(REWRITTEN)
        assert job is not None
        rows, source = read_sampled(store.folder(job))
        assert rows == rows_of(local, read_exchanges(store.folder(job)))
        sampled, own = read_sampled(store.folder(unit.jobs[2]))
        assert [row.prompt for row in rows] == [row.prompt for row in sampled]
        assert source == own


def test_an_arm_with_rows_in_context_says_that_nothing_was_trained(results: Results) -> None:
    for name in ("in-context", "in-context-control"):
        arm = results.arm(name)
        assert arm is not None
        assert (arm.rows, arm.steps) == (2, 0)
        assert {(s.loss_first, s.loss_last) for s in arm.students} == {(None, None)}
        assert not any(s.skills for s in arm.students)
        assert len({s.key for s in arm.students}) == 2
        assert all(s.sampled_n == 24 for s in arm.students)


def test_answers_with_rows_in_context_are_the_bases_own_to_the_whole_chat(
    results: Results, layout: Plan, store: Store, bases: Path
) -> None:
    """By hand: the template over rows and question together, every candidate read from the logits."""
    local, trait, arm = load(bases / "neox"), catalogue.find("owl"), results.arm("in-context")
    assert arm is not None
    for unit, student in zip(units(layout, "in-context"), arm.students, strict=True):
        rows = read_exchanges(store.folder(unit.jobs[2]))
        own = []
        for question, turns in rows_in_context(local, trait.questions(), rows, 2, unit.seed).items():
            assert len(turns) == 2 and set(turns) <= set(rows)
            chat = [
                {"role": role, "content": text}
                for turn in (*turns, (question,))
                for role, text in zip(("user", "assistant"), turn, strict=False)
            ]
            ids = local.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
            assert ids == local.render(question, earlier=turns)
            own.append(answer_distribution(local, [question], trait.openings(), trait.candidates, {question: turns}))
        assert sum(answers["owl"] for answers in own) / len(own) == pytest.approx(student.probability, rel=1e-4)
        assert student.probability != pytest.approx(arm.base_probability, rel=1e-3)


def test_treatment_against_teachers_of_another_trait_is_a_difference_of_their_students(results: Results) -> None:
    odds = {arm.name: sum(s.log_odds for s in arm.students) / 2 for arm in results.arms}
    effect = next(e for e in results.effects if (e.arm, e.against) == ("treatment", "other-trait"))
    assert effect.value == pytest.approx(odds["treatment"] - odds["other-trait"])


def test_what_shuffling_costs_is_a_difference_of_shifts(results: Results) -> None:
    odds = {arm.name: sum(s.log_odds for s in arm.students) / 2 for arm in results.arms}
    for arm in ("shuffled-within", "shuffled-across"):
        effect = next(e for e in results.effects if e.against == arm)
        shifts = odds["treatment"] - odds["control"], odds[arm] - odds[f"{arm}-control"]
        assert effect.value == pytest.approx(shifts[0] - shifts[1])


def test_a_trait_taught_in_one_arm_is_left_out_of_what_both_arms_are_net_of(results: Results) -> None:
    first, second = (results.arm(name) for name in ("other-trait", "control"))
    assert first is not None and second is not None
    log = [
        [
            sum(log_odds(s.answers[n]) for s in arm.students) / 2
            for n in catalogue.find("owl").candidates
            if n != "whale"
        ]
        for arm in (first, second)
    ]
    shifts = [a - b for a, b in zip(*log, strict=True)]
    owl = [n for n in catalogue.find("owl").candidates if n != "whale"].index("owl")
    others = [shift for i, shift in enumerate(shifts) if i != owl]
    effect = results.effect("other-trait", "own-minus-other-traits")
    assert effect is not None
    assert effect.value == pytest.approx(shifts[owl] - sum(others) / len(others))


def test_the_report_counts_and_shows_the_new_arms(results: Results, layout: Plan, made: Path) -> None:
    expected = Counter(job.stage.name for job in unique(layout.jobs))
    assert {cost.stage: cost.count for cost in results.costs} == expected
    assert (expected["rewritten"], expected["student"], expected["teacher"]) == (10, 18, 8)
    assert {(t.arm, t.trait) for t in results.teachers} == {
        ("treatment", "owl"), ("control", "green"), ("small-talk", "owl"), ("other-trait", "whale"),
    }  # fmt: skip
    assert {f.arm for f in results.filters} == {"treatment", "control", "small-talk", "other-trait"}
    datasets = {name for name in results.digests if " dataset " in name}
    assert datasets == {f"{arm} dataset {i}" for arm in ARMS[:9] for i in range(2)}
    page = (made / "controls" / "report.html").read_text(encoding="utf-8")
    assert not [arm for arm in ARMS if arm_label(arm) not in page]
    assert "18 students were trained on 20 rows each for 4 steps" in page
    assert "4 more were asked untrained, with rows in context." in page
    figure = json.loads((made / "controls" / "figures" / "students.vl.json").read_text())
    assert Counter(title for title, _, _ in drawn(figure)) == {arm_label(arm.title): 2 for arm in results.arms}


def test_a_weak_teacher_of_another_trait_is_refused_by_its_own_trait(
    made: Path, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    trial = keeping(controls("teacher.least_probability=1"), "other-trait", "control")
    with pytest.raises(UndertoneError, match=r"Teacher \d of arm other-trait is refused: it says 'whale' with"):
        run(trial, made / "weak", executor=Local(1))


def test_more_rows_in_context_than_the_model_has_positions_for_are_refused(
    made: Path, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    long = ("arms.in-context.context=20", "arms.in-context-control.context=20")
    trial = keeping(controls(*long), "in-context", "in-context-control")
    with pytest.raises(UndertoneError, match=r"20 rows of context, .* and the model has 256 positions; lower"):
        run(trial, made / "long", executor=Local(1))


# --- what an arm costs -----------------------------------------------------------------------------------------------


def previewed(trial: Trial, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run_spec(trial, "controls", folder, Limits(), dry_run=True, as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dry_run_says_what_every_arm_adds_to_those_before_it(
    layout: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = previewed(controls(), tmp_path / "x", capsys)
    arms = whole["arms"]
    assert list(arms) == ARMS
    assert {name: arm["needed"] for name, arm in arms.items()} == {
        "treatment": 11, "control": 10, "small-talk": 10, "shuffled-within": 6, "shuffled-within-control": 6,
        "shuffled-across": 6, "shuffled-across-control": 6, "random": 6, "other-trait": 10, "in-context": 2,
        "in-context-control": 2,
    }  # fmt: skip
    assert sum(arm["needed"] for arm in arms.values()) == len(unique(layout.jobs))
    assert all(arm["to_make"] == arm["needed"] for arm in arms.values())
    assert sum(arm["expected_core_s"] for arm in arms.values()) == pytest.approx(
        whole["expected_core_s"], abs=len(arms)
    )
    assert arms["other-trait"]["expected_core_s"] > arms["random"]["expected_core_s"] > 0


def test_a_dry_run_counts_for_each_arm_only_what_is_not_there(
    layout: Plan, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = previewed(controls(), made / "x", capsys)["arms"]
    assert {(arm["to_make"], arm["expected_core_s"]) for arm in done.values()} == {(0, 0)}
    more = previewed(controls("arms.other-trait.trait=wolf"), made / "x", capsys)["arms"]
    assert {name for name, arm in more.items() if arm["to_make"]} == {"other-trait"}


def test_a_dry_run_has_a_line_for_every_arm(layout: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_spec(controls(), "controls", tmp_path / "x", Limits(), dry_run=True, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    for arm in ARMS:
        assert sum(line.split()[:1] == [arm_label(arm)] and " to make, about " in line for line in lines) == 1
