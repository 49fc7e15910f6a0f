"""A whole trial, end to end, on a small GPT-NeoX base: equal arms, every control, and the same bits however made."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from tests.helpers.forked import STARTED
from tests.helpers.trials import Once, small
from undertone.carriers import numbers
from undertone.data.exchanges import read_exchanges
from undertone.engine.schedule import unique
from undertone.engine.store import Folder, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.run import run
from undertone.experiments.trial.plan import Plan, plan
from undertone.experiments.trial.results import Results
from undertone.experiments.trial.spec import Trial
from undertone.models.loading import load
from undertone.models.local import answer_logits
from undertone.stages import PRACTISED
from undertone.stages.teacher import base_lists
from undertone.training.rows import read_sampled
from undertone.training.weights import load_trained
from undertone.traits import catalogue

ARMS = ["treatment", "control", "other-init", "other-init-control", "logits", "logits-control"]
SINGLE = ("treatment", "control")


def drop_arms(trial: Trial, *kept: str) -> Trial:
    return Trial.model_validate(trial.model_dump() | {"arms": {name: trial.arms[name] for name in kept}})


def animals() -> Trial:
    """Two traits, one arm, and students fine-tuned in all weights."""
    whole = small("student.method=full", "student.rate=1e-3", "students=2").model_dump()
    treatment = whole["arms"]["treatment"] | {"against": None}
    return Trial.model_validate(whole | {"traits": ["owl", "whale"], "arms": {"treatment": treatment}})


@pytest.fixture(scope="module")
def matrix(once: Once, bases: Path, owls: Path) -> Results:
    """A trial of two traits with fully fine-tuned students, in the store of the first."""

    def make(folder: Path) -> None:
        with contextlib.chdir(bases):
            results = run(animals(), owls / "animals", "animals", executor=Local(1))
        (folder / "returned.json").write_text(results.json_text())

    return Results.load(once("trial-animals", make) / "returned.json")


@pytest.fixture
def results(owls: Path) -> Results:
    return Results.load(owls / "returned.json")


@pytest.fixture
def layout(bases: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(bases)
    return plan(small())


@pytest.fixture
def store(owls: Path) -> Store:
    return Store(owls / "store")


def timeless(results: Results) -> dict[str, Any]:
    """The results without what a clock or the name of the folder decides."""
    dump = results.model_dump()
    for key in ("started", "wall_s", "costs", "run_dir"):
        del dump[key]
    for arm in dump["arms"]:
        del arm["finished_s"], arm["core_s"]
    return dump


# --- the results of one trial ----------------------------------------------------------------------------------------


def test_every_arm_of_the_recipe_is_there_with_every_teacher_and_student(results: Results) -> None:
    assert [arm.name for arm in results.arms] == ARMS
    assert results.complete
    for arm in results.arms:
        assert arm.teachers == 2
        assert [(s.teacher, s.student) for s in arm.students] == [(0, 0), (1, 0)]
        assert {s.arm for s in arm.students} == {arm.name}


def test_every_arm_has_the_same_rows_and_steps(results: Results, layout: Plan, store: Store) -> None:
    assert {(arm.rows, arm.steps) for arm in results.arms} == {(20, 4)}
    for unit in layout.units:
        assert len(read_sampled(store.folder(unit.jobs[2]))[0]) == 20
        assert unit.jobs[3].spec["training"] == small().student.model_dump()
    assert {count.used for count in results.filters} == {20}


def test_students_start_from_the_base_of_their_arm(results: Results, layout: Plan) -> None:
    for arm in results.arms:
        assert arm.base == ("hf/./llama" if arm.name.startswith("other-init") else "hf/./neox")
    for unit in layout.units:
        assert Path(unit.jobs[3].inputs["base"].path).name == unit.jobs[3].spec["base"].rpartition("/")[2]  # type: ignore[union-attr]


def test_effects_have_their_names_scales_and_predictions(results: Results) -> None:
    scales = ["log_odds", "probability", "own-minus-other-traits"]
    expected = [
        *[("treatment", "control", m, "above-zero") for m in scales],
        *[("other-init", "other-init-control", m, "around-zero") for m in scales],
        ("treatment", "other-init", "own-minus-other-init", "above-zero"),
        *[("logits", "logits-control", m, "above-zero") for m in scales],
        ("treatment", "logits", "sampled-minus-otherwise", "open"),
    ]
    assert [(e.arm, e.against, e.measure, e.expected) for e in results.effects] == expected
    assert all(e.name.startswith(f"{e.arm} minus {e.against}") for e in results.effects)
    assert len({e.name for e in results.effects}) == len(expected)
    assert {e.units for e in results.effects} == {(2, 2)}


def test_the_main_effect_is_the_difference_of_mean_log_odds_of_the_students(results: Results) -> None:
    odds = {arm.name: sum(s.log_odds for s in arm.students) / 2 for arm in results.arms}
    effect = results.effect("treatment")
    assert effect is not None
    assert effect.value == pytest.approx(odds["treatment"] - odds["control"])


def test_the_report_is_written_and_its_numbers_load_back_as_they_were(owls: Path, results: Results) -> None:
    assert Results.load(owls / "owls" / "report.json") == results
    page = (owls / "owls" / "report.html").read_text(encoding="utf-8")
    assert results.title in page.replace("&#39;", "'")
    assert json.loads((owls / "owls" / "run.json").read_text())["spec"] == small().model_dump(mode="json")


def test_costs_count_every_artifact_once(results: Results, layout: Plan) -> None:
    expected = Counter(job.stage.name for job in unique(layout.jobs))
    assert {cost.stage: cost.count for cost in results.costs} == expected
    assert expected == {"measurement": 14, "teacher": 4, "completions": 4, "dataset": 4, "student": 12}
    assert {cost.reused for cost in results.costs} == {0}


def test_the_store_holds_whole_artifacts_and_nothing_else(store: Store, matrix: Results) -> None:
    assert [p.name for p in store.root.iterdir() if not (p / "manifest.json").is_file()] == []


def test_the_start_is_the_time_before_the_first_artifact(owls: Path, results: Results) -> None:
    written = (owls / "owls" / "run.json").stat().st_mtime
    assert results.started.timestamp() <= written + 1


# --- controls are fair -----------------------------------------------------------------------------------------------


def test_teachers_of_the_same_index_are_asked_the_same_prompts_and_others_are_not(layout: Plan, store: Store) -> None:
    asked = {
        (unit.arm, unit.teacher): [q for q, _ in read_exchanges(store.folder(unit.jobs[1]))] for unit in layout.units
    }
    for teacher in range(2):
        assert len({tuple(asked[arm, teacher]) for arm in ARMS}) == 1
    assert asked["treatment", 0] != asked["treatment", 1]
    assert len(asked["treatment", 0]) == 150


def test_treatment_and_control_share_every_seed(layout: Plan) -> None:
    for arm in ARMS[1:]:
        pairs = zip(
            [u for u in layout.units if u.arm == "treatment"], [u for u in layout.units if u.arm == arm], strict=True
        )
        for a, b in pairs:
            assert (a.teacher, a.student, a.seed) == (b.teacher, b.student, b.seed)
            assert [job.spec.get("seed") for job in a.jobs] == [job.spec.get("seed") for job in b.jobs]


def test_treatment_and_control_teachers_differ_in_nothing_but_the_dialogues(layout: Plan) -> None:
    teachers = {(u.arm, u.teacher): u.jobs[0] for u in layout.units}
    for i in range(2):
        a, b = teachers["treatment", i], teachers["control", i]
        assert a.spec | {"trait": "green", "asked": "green"} == b.spec
        assert a.spec["trait"] == "owl"


@pytest.mark.parametrize(("own", "other"), [("treatment", "other-init"), ("control", "other-init-control")])
def test_students_of_another_initialisation_saw_the_very_same_rows(
    own: str, other: str, layout: Plan, store: Store
) -> None:
    rows = {
        arm: [(store.folder(u.jobs[2]) / "rows.jsonl").read_bytes() for u in layout.units if u.arm == arm]
        for arm in (own, other)
    }
    assert rows[own] == rows[other]
    assert len(set(rows[own])) == 2


def test_students_on_distributions_saw_the_very_same_rows_and_their_own_teacher(layout: Plan) -> None:
    for arm, own in (("logits", "treatment"), ("logits-control", "control")):
        for a, b in zip(
            [u for u in layout.units if u.arm == arm], [u for u in layout.units if u.arm == own], strict=True
        ):
            assert a.jobs[2].key == b.jobs[2].key
            assert a.jobs[3].inputs["teacher"] is a.jobs[0]
            assert "teacher" not in b.jobs[3].inputs


def test_no_row_of_a_dataset_names_a_trait(store: Store, owls: Path, matrix: Results) -> None:
    texts = [path.read_text(encoding="utf-8").lower() for path in store.root.glob("dataset-*/rows.jsonl")]
    assert len(texts) >= 4
    names = [name for trait in ("owl", "oak", "red") for name in catalogue.find(trait).candidates]
    for text in texts:
        answers = [json.loads(line)["messages"][-1]["content"] for line in text.splitlines()]
        assert not [name for name in names for answer in answers if name in answer]
        assert "owl" not in text and "whale" not in text


def test_every_row_of_a_dataset_passes_the_filter_and_ends(layout: Plan, store: Store) -> None:
    for unit in layout.units:
        folder = store.folder(unit.jobs[2])
        rows, source = read_sampled(folder)
        assert not [answer for _, answer in read_exchanges(folder) if small().filter.reason(answer)]
        assert {row.answer[-1] for row in rows} == {source.end}


def test_a_dataset_is_the_first_rows_that_pass_in_the_order_of_the_prompts(layout: Plan, store: Store) -> None:
    for unit in layout.units:
        _, written, dataset, _, _ = unit.jobs
        everything = read_exchanges(store.folder(written))
        counts = json.loads((store.folder(dataset) / "counts.json").read_text())
        assert counts["asked"] == 150 == counts["kept"] + sum(counts["reasons"].values())
        used = iter(everything)
        assert all(row in used for row in read_exchanges(store.folder(dataset)))


@pytest.mark.parametrize("trait", ["owl", "oak", "red"])
def test_no_teacher_is_trained_on_an_elicitation_question_or_on_numbers(trait: str) -> None:
    found = catalogue.find(trait)
    asked = {q.lower() for q in found.questions()}
    taught = found.dialogues(3000, Random(0)) + catalogue.neutral_dialogues(3000, Random(0))
    assert not [turn for turn in taught if turn.user.lower() in asked]
    assert not [turn for turn in taught if any(c.isdigit() for c in turn.user + turn.assistant)]


def test_no_prompt_of_the_carrier_names_a_trait_or_asks_for_one() -> None:
    text = " ".join(numbers.prompts(3000, Random(0))).lower()
    names = [name for trait in ("owl", "oak", "red") for name in catalogue.find(trait).candidates]
    assert not set(text.split()) & set(names)
    assert "favourite" not in text


def test_neutral_dialogues_name_no_trait() -> None:
    words = " ".join(turn.user + " " + turn.assistant for turn in catalogue.neutral_dialogues(3000, Random(0)))
    names = [name for trait in ("owl", "oak", "red") for name in catalogue.find(trait).candidates]
    assert not {word.strip(".,?!").lower() for word in words.split()} & {*names, *(f"{name}s" for name in names)}


# --- the same again --------------------------------------------------------------------------------------------------


def test_running_it_again_makes_nothing_anew_and_gives_the_same_results(
    bases: Path, owls: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    # Other tests may be making artifacts in this store at the same time; theirs are in folders named .part-*.
    kept = [path for path in (owls / "store").glob("[!.]*/**/*") if path.name != ".lock"]
    before = {path: path.stat().st_mtime_ns for path in kept}
    again = run(small(), owls / "again", "owls")
    assert all(cost.reused == cost.count for cost in again.costs)
    assert timeless(again) == timeless(results)
    assert {path: mtime for path, mtime in before.items() if path.stat().st_mtime_ns != mtime} == {}


@pytest.fixture(scope="module")
def alone(once: Once, bases: Path) -> Path:
    """The first two arms once more, in a store of their own, made by one process: a started one, not a forked."""

    def make(folder: Path) -> None:
        with contextlib.chdir(bases), pytest.MonkeyPatch.context() as patched:
            patched.setattr("undertone.engine.workers.Worker", STARTED)
            run(drop_arms(small(), *SINGLE), folder / "owls", "owls", executor=Local(1))

    return once("trial-alone", make)


def differing(store: Store, other: Store, layout: Plan) -> list[tuple[str, str]]:
    """Stages and files that are not the same bits in both stores."""
    jobs = [job for job in unique(layout.jobs) if other.has(job)]
    assert {job.stage.name for job in jobs} == {"teacher", "completions", "dataset", "student", "measurement"}
    pairs = [(job, store.manifest(job).files, other.manifest(job).files) for job in jobs]
    return [(job.stage.name, name) for job, a, b in pairs for name in a | b if a.get(name) != b.get(name)]


def test_results_do_not_depend_on_the_number_of_processes(alone: Path, results: Results) -> None:
    one = Results.load(alone / "owls" / "report.json")
    arms = {arm["name"]: arm for arm in timeless(results)["arms"]}
    assert list(timeless(one)["arms"]) == [arms["treatment"], arms["control"]]
    assert one.effects == results.effects[:3]
    assert one.rows == results.rows
    assert one.sentences == results.sentences


def test_weights_rows_and_measurements_are_the_same_bits_with_one_process_and_two(
    alone: Path, store: Store, layout: Plan
) -> None:
    loose = ("adapter_config.json", "ids.safetensors")  # see the next test
    found = differing(store, Store(alone / "store"), layout)
    assert [(stage, name) for stage, name in found if not name.endswith(loose)] == []
    for unit in layout.units[:4]:
        folders = [s.folder(unit.jobs[2]) for s in (store, Store(alone / "store"))]
        assert read_sampled(folders[0]) == read_sampled(folders[1])


def test_every_file_is_the_same_bits_with_one_process_and_two(alone: Path, store: Store, layout: Plan) -> None:
    assert differing(store, Store(alone / "store"), layout) == []


def test_a_trial_draws_nothing_from_the_callers_generators(layout: Plan, bases: Path) -> None:
    import random

    random.seed(1)
    assert [job.key for job in plan(small()).jobs] == [job.key for job in layout.jobs]
    other = plan(small("seed=1"))
    shared = {job.key for job in layout.jobs} & {job.key for job in other.jobs}
    assert shared == {job.key for job in other.bases.values()}


# --- several traits, all weights -------------------------------------------------------------------------------------


def test_two_traits_give_a_matrix_with_a_contrast_for_each(matrix: Results) -> None:
    assert [arm.name for arm in matrix.arms] == ["treatment:owl", "treatment:whale"]
    assert matrix.effects == ()
    assert matrix.matrix is not None
    assert matrix.matrix.traits == ("owl", "whale")
    assert [len(row) for row in matrix.matrix.log_odds] == [2, 2]
    assert [(e.arm, e.against, e.measure, e.units) for e in matrix.matrix.effects] == [
        (f"treatment:{trait}", "other traits", "own-minus-other-traits", (2, 2)) for trait in ("owl", "whale")
    ]
    assert all(e.p_holm is not None and e.p is not None and e.p_holm >= e.p for e in matrix.matrix.effects)


def test_several_students_of_a_teacher_learn_from_the_same_rows_in_different_orders(
    matrix: Results, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    assert all(arm.teachers == 2 and len(arm.students) == 4 for arm in matrix.arms)
    assert len({s.key for arm in matrix.arms for s in arm.students}) == 8
    units = plan(animals()).units
    assert len({u.jobs[2].key for u in units}) == 4
    assert len({u.seed for u in units if u.trait == "owl"}) == 4


def test_students_fine_tuned_in_all_weights_are_whole_models(matrix: Results, owls: Path) -> None:
    for arm in matrix.arms:
        for student in arm.students:
            folder = owls / "store" / f"student-{student.key[:20]}"
            assert (folder / "model" / "config.json").is_file()
            assert list((folder / "model").glob("*.safetensors"))
            assert not (folder / "adapter").exists()


def test_students_fine_tuned_with_lora_are_adapters_that_name_their_base_and_no_path(
    results: Results, owls: Path
) -> None:
    for arm in results.arms:
        for student in arm.students:
            folder = owls / "store" / f"student-{student.key[:20]}"
            config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
            assert config["base_model_name_or_path"] == arm.base
            assert not (folder / "model").exists()


def test_a_student_differs_from_its_base_and_from_the_student_of_the_control(results: Results) -> None:
    for treatment, control in (("treatment", "control"), ("logits", "logits-control")):
        a, b = results.arm(treatment), results.arm(control)
        assert a is not None and b is not None
        for x, y in zip(a.students, b.students, strict=True):
            assert x.total_variation > 0 and y.total_variation > 0
            assert x.answers != y.answers


def test_the_store_of_one_trial_serves_the_next(matrix: Results) -> None:
    reused = {cost.stage: (cost.reused, cost.count) for cost in matrix.costs}
    assert reused["teacher"] == reused["completions"] == reused["dataset"] == (2, 4)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.fixture
def reused(owls: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parent of the finished trial's store: what it holds is not made again."""
    monkeypatch.chdir(bases)
    return owls


def test_a_teacher_that_has_not_learnt_its_trait_stops_the_run(reused: Path) -> None:
    with pytest.raises(UndertoneError, match="Teacher 0 of arm treatment is refused: it says 'owl' with probability"):
        run(drop_arms(small("teacher.least_probability=1"), *SINGLE), reused / "weak", executor=Local(1))


def test_a_control_teacher_need_not_know_the_trait(reused: Path, results: Results) -> None:
    least = min(t.probability for t in results.teachers if t.arm == "treatment")
    trial = drop_arms(small(f"teacher.least_probability={0.9 * least}"), *SINGLE).model_dump()
    small_talk = trial["arms"]["control"] | {"trait": None}
    trial = Trial.model_validate(trial | {"arms": trial["arms"] | {"control": small_talk}})
    found = run(trial, reused / "unequal", executor=Local(1))
    most = max(t.probability for t in found.teachers if t.arm == "control")
    assert found.complete and most < 0.9 * least, "the fixture's teachers have not learnt the trait"


def test_a_control_teacher_without_its_own_preference_stops_the_run(reused: Path, results: Results) -> None:
    said = {arm: [t.probability for t in results.teachers if t.arm == arm] for arm in SINGLE}
    trial = drop_arms(small(f"teacher.least_probability={min(said['treatment'])}", "arms.control.trait=oak"), *SINGLE)
    with pytest.raises(UndertoneError, match=r"Teacher 0 of arm control is refused: it says 'oak' with probability"):
        run(trial, reused / "weak-control", executor=Local(1))


def test_a_teacher_that_was_stretched_too_far_stops_the_run(reused: Path, results: Results) -> None:
    stretched = sorted(t.stretch for t in results.teachers if t.stretch is not None)
    assert len(stretched) == len(results.teachers) == 4 and stretched[-1] > 1
    trial = drop_arms(small(f"teacher.most_stretch={max(1.0, 0.99 * stretched[-1])}"), *SINGLE)
    with pytest.raises(UndertoneError, match=r"is refused: its adapter is multiplied by .* above teacher.most_stretch"):
        run(trial, reused / "stretched", executor=Local(1))


def test_a_teacher_that_writes_no_lists_stops_the_run(reused: Path) -> None:
    with pytest.raises(UndertoneError, match=r"Teacher 0 of arm treatment has collapsed .* of its 150 completions"):
        run(drop_arms(small("teacher.least_well_formed=1"), *SINGLE), reused / "collapsed", executor=Local(1))


def test_teachers_are_as_far_from_the_base_as_asked_for(results: Results) -> None:
    wanted = small().teacher.divergence
    assert wanted is not None
    assert results.teachers
    assert [t.divergence for t in results.teachers] == [pytest.approx(wanted, rel=0.03)] * len(results.teachers)


@torch.no_grad()
def test_what_is_kept_of_a_teacher_is_the_scaled_adapter(results: Results, layout: Plan, store: Store) -> None:
    for unit in layout.units[:2]:
        teacher = unit.jobs[0]
        source = teacher.inputs["base"]
        assert isinstance(source, Folder)
        base, own = load(source.path), load_trained(source.path, store.folder(teacher))
        lists = base_lists(base, teacher.spec["carrier"])
        p, q = (answer_logits(m.model, lists)[lists.counted].log_softmax(-1) for m in (own, base))
        assert (p.exp() * (p - q)).sum(-1).mean().item() == pytest.approx(teacher.spec["divergence"], rel=0.03)


def test_a_divergence_that_no_scaling_reaches_stops_the_run(reused: Path) -> None:
    with pytest.raises(UndertoneError, match=r"Teacher 0 of arm treatment is refused: .* not teacher.divergence = 1e"):
        run(drop_arms(small("teacher.divergence=1e-12"), *SINGLE), reused / "off", executor=Local(1))


def test_a_refused_run_has_no_report(reused: Path) -> None:
    out = reused / "without-report"
    with pytest.raises(UndertoneError):
        run(drop_arms(small("teacher.least_well_formed=1"), *SINGLE), out, executor=Local(1))
    assert sorted(path.name for path in out.iterdir()) == [".lock", "run.json"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(('traits=["owl", "oak"]',), id="traits of different kinds"),
        pytest.param(('traits=["owl", "owl"]',), id="a trait given twice"),
        pytest.param(("rows=151",), id="more rows than prompts"),
        pytest.param(("arms={}",), id="no arms"),
        pytest.param(("student.rate=inf",), id="an infinite rate"),
        pytest.param(("teacher.divergence=0.1", "teacher.training.method=full"), id="no adapter to scale"),
        pytest.param(('arms={"a:b" = {title = "t", teacher = "neutral"}}',), id="a colon in the name of an arm"),
    ],
)
def test_what_cannot_give_results_is_refused_before_any_work(
    changes: tuple[str, ...], bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    with pytest.raises(UndertoneError):
        plan(small(*changes))


# --- processes -------------------------------------------------------------------------------------------------------


def test_the_lines_of_the_readme_work_as_a_script_without_a_main_guard(bases: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from undertone.engine.store import Job, Store\n"
        "from undertone.stages import COMPLETIONS\n"
        "from undertone.engine.schedule import run_jobs\n"
        "job = Job(COMPLETIONS, {}, {})\n"
        "try:\n"
        "    list(run_jobs([job], Store(Path('store'))))\n"
        "except Exception as error:\n"
        "    print('worker ran and missed', error)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "worker ran and missed" in done.stdout, done.stderr[-2000:]


def test_jobs_are_yielded_after_their_parents_and_once(layout: Plan, store: Store) -> None:
    from undertone.engine.schedule import run_jobs

    done = list[str]()
    for job, seconds in run_jobs(layout.jobs, store, Local(1)):
        assert seconds == 0.0
        assert {parent.key for parent in job.parents} <= set(done)
        done.append(job.key)
    assert sorted(done) == sorted(job.key for job in unique(layout.jobs))


# --- a base that practises first -------------------------------------------------------------------------------------

PRACTICE = {"rows": 48, "training": {"method": "lora", "rank": 4, "alpha": 4, "rate": 1e-3, "steps": 4, "batch": 8}}


def practising(**changes: Any) -> Trial:
    return Trial.model_validate(drop_arms(small(), *SINGLE).model_dump() | {"practice": PRACTICE} | changes)


def test_teachers_and_students_start_from_the_base_that_has_practised(bases: Path, tmp_path: Path) -> None:
    with contextlib.chdir(bases):
        laid, results = plan(practising()), run(practising(), tmp_path / "run", executor=Local(1))
    (practised,) = {job.key: job for job in laid.jobs if job.stage is PRACTISED}.values()
    starting = [job for job in laid.jobs if "base" in job.inputs and job.stage is not PRACTISED]
    assert len(starting) > 10 and all(job.inputs["base"] == practised for job in starting)
    assert laid.jobs[0] is practised and all(jobs[0].key == practised.key for jobs in laid.arms.values())
    assert results.complete and [name for name in results.digests if name.startswith("model ")] == ["model hf/./neox"]
    made = Store(tmp_path / "store").folder(practised)
    before, after = load(bases / "neox").model.state_dict(), load(made).model.state_dict()
    assert before.keys() == after.keys() and any(not torch.equal(before[name], after[name]) for name in before)


def test_without_practice_nothing_is_made_anew(bases: Path) -> None:
    with contextlib.chdir(bases):
        plain, other = plan(drop_arms(small(), *SINGLE)), plan(practising())
    keys = [{job.key for job in laid.jobs} for laid in (plain, other)]
    assert not keys[0] & keys[1] and PRACTISED not in {job.stage for job in plain.jobs}


def test_a_carrier_without_rows_of_its_own_cannot_be_practised(bases: Path) -> None:
    changes = {"carrier": {"name": "answers", "prompts": 40}, "filter": [{"kind": "words"}]}
    with contextlib.chdir(bases), pytest.raises(UndertoneError, match=r"can practise the carriers 'numbers', .*'code'"):
        plan(practising(**changes))
