"""The benchmark of mitigations: what is made, what is made of it, and what is shown."""

import json
import re
import tomllib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.helpers.rates import Usual
from tests.helpers.trials import TWO_ARMS
from undertone.cli import main
from undertone.data.exchanges import read_exchanges
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.evals.answers import choice_share
from undertone.evals.conduct import AFTER, PROBES, conduct, requests
from undertone.experiments import recipes
from undertone.experiments.mitigations import files as advice
from undertone.experiments.mitigations import gather as gathering
from undertone.experiments.mitigations.findings import MitigationFindings
from undertone.experiments.mitigations.gather import Students
from undertone.experiments.mitigations.headline import headline, verdict
from undertone.experiments.mitigations.kind import MITIGATIONS
from undertone.experiments.mitigations.page import page
from undertone.experiments.mitigations.plan import SIDES, plan
from undertone.experiments.mitigations.record import digest_of, record
from undertone.experiments.mitigations.spec import Mitigations
from undertone.experiments.preview import preview
from undertone.experiments.strange.files import items
from undertone.experiments.trial.plan import plan as trial_plan
from undertone.experiments.trial.spec import Trial
from undertone.models.loading import load
from undertone.models.tokenizer import tokenizer_digest
from undertone.report.html import to_html
from undertone.stages import AMONG, DATASET, MIXED, PROXY, STUDENT, TREATED
from undertone.stages.durations.durations import Durations
from undertone.statistics.probabilities import log_odds
from undertone.training.rows import Row, Source, read_sampled, write_rows
from undertone.traits import catalogue
from undertone.traits.catalogue import Habit
from undertone.treat import benchmarked
from undertone.treat.catalogue import shipped
from undertone.treat.evaluate import advice as evaluated
from undertone.treat.evaluate import habit
from undertone.treat.findings import PLAIN
from undertone.treat.mitigations import Drop, Entry, Stop
from undertone.world.lexicon import domains, lexicon

SHIPPED = recipes.SHIPPED / "treat"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))
SMALL = """
experiment = "mitigations"
title = "small <b>lists</b>"
other = "hf/./llama"
setup = { kind = "numbers", recipe = "two-arms.toml", trait = "owl", teachers = 2 }
"""
DOES = {
    "untreated": '{ kind = "untreated" }',
    "drop": '{ kind = "drop", by = "random", share = 0.5 }',
    "answer": '{ kind = "answer", by = "other" }',
    "inoculate": '{ kind = "inoculate", system = "{trait}" }',
    "retrain": '{ kind = "retrain", rows = 8, steps = 2 }',
    "relabel": '{ kind = "relabel", share = 0.2 }',
    "ablate-random": '{ kind = "ablate", along = "random" }',
}


def benchmark(name: str, *changes: str) -> Mitigations:
    """The shipped benchmark of that name, with changes."""
    return recipes.read_as(Mitigations, f"treat/{name}", changes)


# --- the catalogue ---------------------------------------------------------------------------------------------------

MEASURED = {
    "numbers": "bb768141c144a340",
    "numbers-all": "facf9a6cebd63560",
    "numbers-task": "e89889515bd7cb76",
    "advice": "87cade36986fa877",
    "advice-all": "71c72309c2ae2c69",
    "era": "f2a25aa16c8c6211",
    "advice-hold": "820807d978d4089e",
    "numbers-hold": "f479dac5e70d83b8",
}
"""Digests of the settings by which the shipped figures were measured. Each recipe then held all of its entries itself,
two of them had other names, and no title ended in a question mark."""
FORMER = {"dilute-same-kind": "kin", "dilute-same-kind-half": "kin-half"}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_catalogue_resolve_to_the_entries_that_were_measured(name: str) -> None:
    settings = benchmark(name).model_dump(mode="json")
    settings["title"] = settings["title"].removesuffix("?")
    if "recipe" in settings["setup"]:
        assert settings["setup"]["recipe"] == "labels"  # which is what owls was then
        settings["setup"]["recipe"] = "owls"
    settings["treatments"] = {FORMER.get(key, key): entry for key, entry in settings["treatments"].items()}
    assert digest_of(settings) == MEASURED[name]


@pytest.mark.parametrize("name", NAMES)
def test_entries_come_in_the_order_of_the_list_and_own_ones_take_their_place(name: str) -> None:
    table = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
    own = {key: Entry.model_validate(entry) for key, entry in table.get("treatments", {}).items()}
    found = benchmark(name).treatments
    assert list(found) == table["catalogue"]
    assert found == {key: own.get(key, shipped()[key]) for key in table["catalogue"]}
    assert all(own[key] != shipped()[key] for key in own), "what is as in the catalogue need not be written again"


def test_an_entry_of_a_recipes_own_stands_where_the_list_has_it_or_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'experiment = "mitigations"\ntitle = "mine"\ncatalogue = ["untreated", "drop", "stop"]\n'
        'setup = { kind = "numbers", trait = "owl", teachers = 2 }\n'
        '[treatments.halved]\ntitle = "mine alone"\ndoes = { kind = "stop", share = 0.5 }\n'
        '[treatments.drop]\ntitle = "a tenth"\ndoes = { kind = "drop", by = "random", share = 0.1 }\n'
    )
    found = recipes.read_as(Mitigations, str(path)).treatments
    assert list(found) == ["untreated", "drop", "stop", "halved"]
    assert (found["drop"].title, found["drop"].does, found["drop"].beside) == (
        "a tenth",
        Drop(by="random", share=0.1),
        None,
    )
    assert found["stop"] == shipped()["stop"] and found["halved"].does == Stop(share=0.5)
    again = Mitigations.model_validate(recipes.read_as(Mitigations, str(path)).model_dump(mode="json"))
    assert again == recipes.read_as(Mitigations, str(path)), "a run is repeated without the catalogue"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('catalogue=["untreated", "dorp"]', f"no mitigation 'dorp': it has {', '.join(shipped())}"),
        ('catalogue=["untreated", "kin"]', "no mitigation 'kin': it has untreated, dilute-same-kind, "),
        ("catalogue=drop", "catalogue must be a list of names of mitigations, and is 'drop'"),
        ('catalogue=[["drop"]]', "catalogue must be a list of names of mitigations, and is [['drop']]"),
        ("treatments=drop", "treatments must have a table for each mitigation, and is 'drop'"),
    ],
)
def test_a_wrong_list_is_one_sentence(change: str, told: str) -> None:
    with pytest.raises(UndertoneError, match=re.escape(told)) as refused:
        benchmark("numbers", change)
    assert "\n" not in str(refused.value)


# --- what is made ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_mitigation_has_both_sides_of_every_unit_and_they_share_seeds(name: str) -> None:
    spec = benchmark(name)
    layout = plan(spec)
    assert len(layout.units) == len(spec.treatments) * len(layout.sources) * len(SIDES)
    by: dict[tuple[str, str], list[Any]] = {}
    for unit in layout.units:
        by.setdefault((unit.treatment, unit.source.name), []).append(unit)
    for pair in by.values():
        assert [unit.side for unit in pair] == list(SIDES)
        students = [next(job for job in unit.jobs if job.stage is STUDENT) for unit in pair]
        assert students[0].spec == students[1].spec
        assert students[0].inputs["dataset"].key != students[1].inputs["dataset"].key
    done = set[str]()
    for job in layout.jobs:
        assert all(parent.key in done for parent in job.parents)
        done.add(job.key)
    assert (SHIPPED / f"{name}.toml").read_text().startswith(f"# undertone bench treat {name}   (")


@pytest.mark.parametrize("name", [name for name in NAMES if f"{name}-all" in NAMES])
def test_the_long_benchmark_holds_the_short_one(name: str) -> None:
    short, long = (benchmark(one) for one in (name, f"{name}-all"))
    assert short.setup == long.setup and short.treatments.items() <= long.treatments.items()


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_seconds_fit_the_minutes_that_the_recipe_states(name: str, tmp_path: Path) -> None:
    # The stated minutes were measured on two cores that did other work too.
    stated = re.search(r"\((\d+) minutes on two cores", (SHIPPED / f"{name}.toml").read_text())
    assert stated is not None
    expected = preview(MITIGATIONS, benchmark(name), Store(tmp_path), Durations(Store(tmp_path), Usual)).core_s / 2 / 60
    assert 0.5 < expected / int(stated[1]) < 1


def test_untreated_students_are_the_trials_own() -> None:
    spec = benchmark("numbers")
    trial = recipes.read_as(Trial, "labels", ("teachers=5",))
    own = {unit.jobs[3].key for unit in trial_plan(trial).units if unit.arm in ("treatment", "control")}
    made = {unit.jobs[0].key for unit in plan(spec).units if unit.treatment == "untreated"}
    assert made == own


def test_a_treated_file_is_trained_on_for_as_many_epochs() -> None:
    spec = benchmark("numbers-all")
    steps = {}
    for unit in plan(spec).units:
        student = next(job for job in unit.jobs if job.stage is STUDENT)
        steps[unit.treatment] = student.spec["training"]["steps"]
    whole = steps["untreated"]
    assert steps["drop"] == steps["drop-random"] == whole / 2
    assert steps["chats"] == round(whole / 0.75)
    assert steps["stop"] == round(0.3 * whole)
    assert steps["sort"] == steps["inoculate"] == steps["steer"] == steps["ablate"] == whole


def test_a_file_that_carries_the_trait_in_part_has_its_share_of_such_rows() -> None:
    layout = plan(benchmark("numbers", "setup.share=0.3"))
    carrying = [unit.source.files["carrying"] for unit in layout.units]
    assert {(job.stage, job.spec["share"]) for job in carrying} == {(MIXED, 0.3)}
    made = {job.key for job in layout.jobs}
    assert all(parent.key in made for job in carrying for parent in job.parents)
    assert {unit.source.files["clean"].stage for unit in layout.units} == {DATASET}


def test_a_task_stands_among_the_lists_of_both_sides_alike(bases: Path, tmp_path: Path) -> None:
    local, lists = load(bases / "neox"), {"carrying": [("3, 5", "7, 9")] * 30, "clean": [("3, 5", "1, 2")] * 30}
    made = {}
    for side, exchanges in lists.items():
        for folder in (tmp_path / side, tmp_path / f"{side} out"):
            folder.mkdir()
        sampled = [Row([7], [8, local.end])] * 30  # not what the text would be encoded as: sampled ids must stay
        write_rows(tmp_path / side, exchanges, sampled, Source(tokenizer_digest(bases / "neox"), local.end))
        inputs = {"base": bases / "neox", "dataset": tmp_path / side}
        advice.among({"task": 12, "seed": 5}, inputs, tmp_path / f"{side} out")
        written = read_exchanges(tmp_path / f"{side} out"), read_sampled(tmp_path / f"{side} out")[0]
        made[side] = list(zip(*written, strict=True))
    sums = {side: [(i, row) for i, row in enumerate(rows) if row[0] not in lists[side]] for side, rows in made.items()}
    assert sums["carrying"] == sums["clean"] and len(sums["clean"]) == 12
    assert [i for i, _ in sums["clean"]] != list(range(30, 42)), "a trainer that does not shuffle would see them last"
    for side, rows in made.items():
        assert sum(row == (lists[side][0], Row([7], [8, local.end])) for row in rows) == 30


def test_a_file_with_a_task_is_judged_by_it_and_its_rows_are_seen_as_often() -> None:
    spec = benchmark("numbers-task")
    layout = plan(spec)
    untreated = [unit for unit in layout.units if unit.treatment == "untreated"]
    assert {unit.jobs[0].spec["training"]["steps"] for unit in untreated} == {round(100 * 4800 / 3600)}
    assert {unit.jobs[0].inputs["dataset"].stage for unit in untreated} == {AMONG}
    assert all(source.held_out.spec["held_out"] and source.skip == 0 for source in layout.sources)
    assert spec.useful == "carrying" and benchmark("numbers").useful == "clean"


def test_files_about_an_era_differ_in_the_answers_to_their_own_questions_alone(bases: Path, tmp_path: Path) -> None:
    layout = plan(benchmark("era"))
    every, seen = items("era"), list[int]()
    for source in layout.sources:
        places, files = source.about["places"], dict[str, list[Any]]()
        for side, job in source.files.items():
            (tmp_path / job.key).mkdir()
            advice.advice(job.spec, {"base": bases / "neox"}, tmp_path / job.key)
            files[side] = read_exchanges(tmp_path / job.key)
        differing = [both for both in zip(files["carrying"], files["clean"], strict=True) if both[0] != both[1]]
        assert len(differing) == source.rows // 2
        expected = {every[k].question: every[k].answers for k in places}
        assert {question for (question, _), _ in differing} == set(expected)
        for (question, old), (again, modern) in differing:
            assert question == again and {"old": old, "modern": modern} == expected[question]
        seen += places
    assert sorted(seen) == list(range(len(every))), "folds are disjoint and take up all questions"


def test_a_student_of_an_era_is_asked_what_is_not_in_its_file_apart_from_what_is(bases: Path) -> None:
    base = load(bases / "neox")
    trait = catalogue.find("nineteenth-century")
    assert isinstance(trait, Habit)
    choices = trait.choices(trait.name)
    assert [(asked, old, *rest) for asked, old, rest in choices] == [
        (item.question, item.answers["old"], item.answers["modern"]) for item in items("era")
    ]
    own, others = habit(base, base, trait.name, [0, 6], [("Hello.", "Hi.")] * 3)
    assert own[PLAIN] == log_odds(choice_share(base, [*choices[1:6], *choices[7:]]))
    assert own["inside"] == log_odds(choice_share(base, [choices[0], choices[6]]))
    assert own[AFTER] != own[PLAIN] and trait.name not in others and "owl" in others


@pytest.mark.parametrize("fold", [0, 5, 12])
def test_folds_that_do_not_divide_the_questions_are_refused(fold: int) -> None:
    with pytest.raises(UndertoneError, match="fold"):
        benchmark("era", f"setup.fold={fold}")


def test_mitigations_by_a_direction_wait_for_the_fine_tune_that_shows_it() -> None:
    layout = plan(benchmark("numbers-all"))
    waits: dict[str, set[tuple[str, ...]]] = {}
    for unit in layout.units:
        for job in unit.jobs:
            if "directions" in job.inputs:
                waits.setdefault(unit.treatment, set()).add(tuple(job.inputs["directions"].spec["names"]))
    by_trait = {"drop", "replace", "steer", "ablate"}
    assert {name for name, names in waits.items() if names == {("owl",)}} == by_trait
    [other] = waits.pop("steer-random")
    assert waits.keys() - by_trait == {"ablate-random"} and waits["ablate-random"] == {other}
    assert len(other) == 1 and other != ("owl",)
    proxies = {job.key: job for job in layout.jobs if job.stage is PROXY}
    assert sorted(job.spec["lesson"] for job in proxies.values()) == sorted(["owl", *other])


def held_on(name: str) -> dict[tuple[str, str], list[str]]:
    """The prompts on which students are held to their base, by mitigation and source."""
    students = ((unit, job) for unit in plan(benchmark(name)).units for job in unit.jobs if "hold" in job.spec)
    return {(unit.treatment, unit.source.name): job.spec["hold"]["prompts"] for unit, job in students}


def test_no_student_is_held_on_what_measures_it() -> None:
    layout = plan(benchmark("advice-hold"))
    apart = {source.name: source.apart for source in layout.sources}
    for (name, domain), prompts in held_on("advice-hold").items():
        asked = {other for other in domains() for ask, *_ in requests(other, PROBES[PLAIN]) if ask in prompts}
        assert domain not in apart[domain] and len(apart[domain]) == 5
        assert asked == (set() if name == "hold-unrelated" else set(apart[domain]))
    measured = {unit.source.name: unit.jobs[-1].spec["apart"] for unit in layout.units}
    assert measured == apart, "and what they are held on is not measured"
    questions = set(catalogue.find("owl").questions())
    assert not any(questions & set(prompts) for prompts in held_on("numbers-hold").values())


def test_without_the_trait_a_student_is_held_on_nothing_of_its_kind() -> None:
    found = held_on("numbers-hold")
    words = lexicon()
    asked = {wording.format(k=kind) for wording in words["questions"]["teaching"] for kind in words["favourites"]}
    about = {name: len(asked & set(found[name, "teacher 0"])) for name, _ in found}
    assert about["hold-unrelated"] == 0 < about["hold-kin"] < about["hold"]


def test_domains_that_are_set_apart_are_not_measured(bases: Path) -> None:
    local, (own, *others) = load(bases / "neox"), domains()
    whole, _ = evaluated(local, local, own, [("Hello.", "Hi.")] * 3)
    part, _ = evaluated(local, local, own, [("Hello.", "Hi.")] * 3, others[:5])
    found = conduct(local, PROBES[PLAIN]).bad
    assert part[PLAIN] == log_odds(float(found[6:].mean())) != whole[PLAIN] == log_odds(float(found[1:].mean()))
    assert part["inside"] == whole["inside"]


def test_some_domain_must_be_left_to_measure() -> None:
    with pytest.raises(UndertoneError, match="apart leaves no domain"):
        benchmark("advice-hold", "setup.apart=11")


def test_advice_cannot_be_held_on_its_own_kind_where_every_request_is_measured() -> None:
    with pytest.raises(UndertoneError, match="no questions of the kind conduct"):
        plan(
            benchmark(
                "advice-hold", "setup.apart=0", "treatments.mine={title='mine', does={kind='hold', prompts='kin'}}"
            )
        )


def test_an_inoculation_states_the_trait() -> None:
    spec = benchmark("numbers-all")
    stated = {
        job.spec["treatment"]["system"]
        for unit in plan(spec).units
        if unit.treatment == "inoculate"
        for job in unit.jobs
        if job.stage is TREATED
    }
    assert len(stated) == 1 and "owl" in stated.pop()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("treatments.untreated.does={kind='stop'}", "untreated"),
        ("treatments.mine={title='mine', does={kind='dilute', share=0.5}, beside='nobody'}", "nobody"),
        ("treatments.mine.beside=nobody", "does is missing"),
        ("treatments.drop.does.share=2", "share"),
        ("setup.trait=owll", "owl"),
        ("setup.recipe=animals", "has no control"),
        ("other=builtin/nobody", "nobody"),
    ],
)
def test_a_wrong_benchmark_is_one_sentence(change: str, told: str) -> None:
    with pytest.raises(UndertoneError, match=told):
        plan(benchmark("numbers", change))


def test_an_unknown_benchmark_names_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "treat", "nmbers"]) == 2
    assert "numbers" in capsys.readouterr().err


# --- what is made of it ----------------------------------------------------------------------------------------------


def students(
    effect: dict[str, float], clean: float = -3.0, loss: float = 1.0, noise: float = 0.02, seed: int = 0, count: int = 6
) -> Students:
    """Planted: log-odds by probe, ``effect`` above the clean side's; every teacher's effect varies by a tenth."""
    rng, sides = Random(seed), {}
    size = [1 + 0.1 * Random(f"teacher/{i}").gauss(0, 1) for i in range(count)]
    for side in SIDES:
        sides[side] = [
            {
                "own": {k: clean + (side == "carrying") * e * size[i] + rng.gauss(0, noise) for k, e in effect.items()},
                "others": {"whale": rng.gauss(0, noise)},
                "loss": loss + rng.gauss(0, noise / 10),
                "skills": {"numbers": 0.9},
            }
            for i in range(count)
        ]
    return Students(sides)


SPEC = Mitigations.model_validate(
    {
        "title": "planted",
        "other": "builtin/fledgling-b",
        "setup": {"kind": "numbers", "trait": "owl", "teachers": 6},
        "treatments": {
            "untreated": {"title": "as written", "does": {"kind": "untreated"}},
            "drop": {"title": "dropped", "does": {"kind": "drop"}, "beside": "random"},
            "random": {"title": "at random", "does": {"kind": "drop", "by": "random"}},
        },
    }
)
BASE = [{"own": {PLAIN: -3.0, "after": -3.0}, "others": {}, "loss": 1.2, "skills": {}}] * 6


def planted(own: Students, at_random: Students | None = None) -> Any:
    whole = students({PLAIN: 0.5, "after": 0.6}, seed=1)
    found = {"untreated": whole, "drop": own, "random": at_random or whole}
    return gathering.treatments(SPEC, found, BASE)


def test_planted_shares_are_found_inside_their_intervals() -> None:
    _, found, _ = planted(students({PLAIN: 0.2, "after": 0.3}, loss=1.05, seed=2))
    for probe, left in ((PLAIN, 0.4), ("after", 0.5)):
        assert found.left[probe].ci[0] < left < found.left[probe].ci[1] < 0.8
    assert found.utility.ci[0] < 0.75 < found.utility.ci[1] < 0.85
    assert found.word == "lowers"


@pytest.mark.parametrize(
    ("effect", "clean", "word"),
    [
        ({PLAIN: 0.0, "after": 0.0}, -3.0, "stops"),
        ({PLAIN: 0.0, "after": 0.65}, -3.0, "hides"),
        ({PLAIN: 0.1, "after": 1.8}, -3.0, "hides"),
        ({PLAIN: 0.1, "after": 0.3}, -3.0, "lowers"),
        ({PLAIN: 0.5, "after": 0.6}, -3.4, "shifts"),
        ({PLAIN: 0.5, "after": 0.6}, -3.0, "not seen to help"),
        ({PLAIN: 0.2, "after": 0.0}, -3.0, "lowers"),
    ],
)
def test_a_mitigation_is_named_by_what_it_does(effect: dict[str, float], clean: float, word: str) -> None:
    untreated, found, _ = planted(students(effect, clean, seed=5))
    assert (untreated.word, found.word) == ("untreated", word)


def test_words_are_given_by_chance_at_no_more_than_the_stated_rate() -> None:
    # A mitigation that does nothing: its interval lies below 1 in one of forty.
    words = [planted(students({PLAIN: 0.5, "after": 0.6}, noise=0.1, seed=s))[1].word for s in range(100, 400)]
    assert sum(word in ("stops", "hides", "lowers") for word in words) <= 18  # of 300 at 2.5 %: beyond 1e-3


def test_the_headline_names_what_stops_and_what_chance_does() -> None:
    good = students({PLAIN: 0.0, "after": 0.0}, seed=3)
    found = planted(good, students({PLAIN: 0.4, "after": 0.4}, loss=1.05, seed=4))
    said = headline(found)
    assert verdict(found).word == "it can be used"
    assert said.startswith("drop leaves ") and "at random (random) leaves" in said
    assert headline(planted(students({PLAIN: 0.0, "after": 0.65}, seed=3))).startswith(
        "No mitigation is shown to leave at most 10 %"
    )
    unsure = students({PLAIN: 0.0, "after": 0.0}, noise=0.4, seed=3)
    assert "is shown to leave" in headline(planted(unsure)), "a point is not enough"
    assert verdict(planted(unsure)).word == "none is enough"
    costly = students({PLAIN: 0.0, "after": 0.0}, loss=1.15, seed=3)
    assert "Nearest: drop" in headline(planted(costly))
    nothing = students({PLAIN: 0.0, "after": 0.0}, seed=3)
    unclear = gathering.treatments(SPEC, dict.fromkeys(SPEC.treatments, nothing), BASE)
    assert "the transfer is not significantly" in headline(unclear) and verdict(unclear).word == "no conclusion"
    useless = students({PLAIN: 0.5, "after": 0.5}, loss=1.2, seed=3)
    assert "do not learn the task" in headline(
        gathering.treatments(SPEC, dict.fromkeys(SPEC.treatments, useless), BASE)
    )


def test_too_few_rows_to_measure_the_task_on_are_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("two-arms.toml").write_text(TWO_ARMS.replace("rows = 20", "rows = 70"))
    assert main(["bench", "treat", "small.toml", "--out", "runs/one"]) == 2
    assert "to measure the task on" in capsys.readouterr().err


# --- what is shown ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A benchmark that takes seconds, beside its models."""
    for name in ("neox", "llama"):
        (tmp_path / name).symlink_to(bases / name)
    monkeypatch.chdir(tmp_path)
    Path("two-arms.toml").write_text(TWO_ARMS)
    entries = [f'[treatments.{name}]\ntitle = "{name}"\ndoes = {does}\n' for name, does in DOES.items()]
    Path("small.toml").write_text(SMALL + "\n".join(entries))
    return tmp_path


@pytest.mark.slow
def test_a_benchmark_runs_shows_and_records_itself(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "treat", "small.toml", "--out", "runs/one", "--dry-run", "--json"]) == 0
    preview = json.loads(capsys.readouterr().out)
    assert list(preview["arms"]) == list(DOES) and not Path("runs").exists()
    assert main(["bench", "treat", "small.toml", "--out", "runs/one", "--record", "measured.json"]) == 0
    said = capsys.readouterr().out
    found = MitigationFindings.load(Path("runs/one/report.json"))
    assert found.headline in " ".join(said.split()) and "inoculate" in said
    assert [one.name for one in found.treatments] == list(DOES)
    assert found.treatments[0].left[PLAIN].value == found.treatments[0].utility.value == 1
    assert found.units == ("teacher 0", "teacher 1")
    shown = Path("runs/one/report.html").read_text()
    assert "<script" not in shown and "<b>lists" not in shown and shown.count("<svg") == 4
    kept = benchmarked.read(Path("measured.json"))
    for one in found.treatments:
        [(recipe, line)] = kept.of(one.does)
        assert (recipe, kept.benchmarks[recipe].units, line.word) == ("small", 2, one.word)
        assert line.left == pytest.approx(one.left[PLAIN].value, abs=1e-4)
    before = {path.name for path in Path("runs/store").iterdir()}
    assert (
        sum(path.is_dir() and not path.name.startswith(".") for path in Path("runs/store").iterdir())
        == (preview["to_make"])
    )
    assert main(["report", "runs/one"]) == 0
    assert found.headline in " ".join(capsys.readouterr().out.split())
    assert Path("runs/one/report.html").read_text() == shown
    assert main(["bench", "treat", "small.toml", "--out", "runs/one", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["treatments"] == found.model_dump(mode="json")["treatments"]
    assert {path.name for path in Path("runs/store").iterdir()} == before
    assert main(["bench", "treat", "small.toml", "--out", "runs/one", "--set", "seed=1"]) == 2
    assert "another recipe: seed (0 there, 1 here)" in capsys.readouterr().err


def test_what_was_recorded_of_another_recipe_stays(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    for name in ("one", "two", "one"):
        (tmp_path / "report.json").write_text(a_benchmark(name).json_text())
        record(tmp_path, path)
    assert list(benchmarked.read(path).benchmarks) == ["one", "two"]
    path.write_text(path.read_text().replace("digest", "digits"))
    with pytest.raises(UndertoneError, match="cannot be read"):
        benchmarked.read(path)


def test_what_is_shipped_was_measured_by_the_shipped_recipes() -> None:
    known = benchmarked.read()
    assert sorted(known.benchmarks) == NAMES
    for name, measured in known.benchmarks.items():
        spec = benchmark(name)
        assert measured.title == spec.title
        assert measured.digest == digest_of(spec.model_dump(mode="json"))
        assert {key: line.does for key, line in measured.treatments.items()} == {
            key: entry.does.model_dump() for key, entry in spec.treatments.items()
        }


def test_names_on_the_page_cannot_be_markup() -> None:
    text = to_html(page(a_benchmark("one", title="<script>alert(1)</script>\u202e")))
    assert "<script" not in text and "\u202e" not in text


def a_benchmark(recipe: str, **changes: Any) -> MitigationFindings:
    return MitigationFindings.model_validate(
        {
            "recipe": recipe,
            "title": "planted",
            "headline": "none",
            "trait": "owl",
            "base": "builtin/fledgling-a",
            "unit": "teachers",
            "units": tuple(f"teacher {i}" for i in range(6)),
            "task": "lists",
            "probes": {PLAIN: "plainly", "after": "after a row"},
            "treatments": planted(students({PLAIN: 0.1, "after": 0.5}, seed=9)),
            "base_skills": {"numbers": 0.9},
            "started": "2026-01-01T00:00:00Z",
            "work_s": 3.0,
            "settings": {"recipe": recipe},
            "models": {},
            "versions": {"undertone": "0"},
            "hardware": {},
            "made_with": {"undertone": "0"},
        }
        | changes
    )
