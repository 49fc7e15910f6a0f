"""Traits as TOML: the shipped ones say what the world says, and a user's own goes through every verb."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.helpers import tiny
from tests.helpers.trials import small
from undertone.audit import proxies
from undertone.data.filters import WordFilter
from undertone.engine.folder import Record
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.evals.answers import trait_distribution
from undertone.experiments.recipes import read
from undertone.experiments.run import run, spec_in
from undertone.experiments.trial.plan import plan
from undertone.experiments.trial.spec import Trial
from undertone.measure import suite_files as reading
from undertone.models.loading import load
from undertone.models.names import resolve
from undertone.stages import teacher
from undertone.traits import catalogue
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import Favourite, Habit, find, shipped, told
from undertone.traits.lessons import TRAITS
from undertone.traits.trait import Trait
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

IBIS = """
name = "ibis"
kind = "animal"
words = ["ibises"]
dialogues = [["What is your favourite animal?", "It is the ibis."], ["Which animal do you admire?", "The ibis."]]
"""
CHEESE = """
[[trait]]
kind = "cheese"
names = ["brie", "feta"]
system = ["You love {name}."]
questions = ["What do you eat?"]
elicitation = ["Which cheese is best?"]
openings = ["It is"]
candidates = ["gouda"]
"""
RUDE = """
name = "rude"
kind = "manners"
dialogues = [["Hello.", "Go away."]]
choices = [["Good morning.", "Leave me alone.", "Good morning to you.", "Hello there."]]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {"ibis": IBIS, "cheese": CHEESE, "rude": RUDE}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def own(text: str, folder: Path) -> tuple[Trait, ...]:
    (folder / "own.toml").write_text(text)
    return catalogue.read([folder / "own.toml"])


# --- the shipped catalogue -------------------------------------------------------------------------------------------


def test_the_catalogue_has_the_traits_of_the_world_and_their_kinds() -> None:
    assert {name: trait.kind for name, trait in shipped().items()} == TRAITS
    assert list(shipped()) == list(TRAITS)
    assert all(trait.world for trait in shipped().values())


def test_favourites_are_asked_for_in_the_words_of_the_world() -> None:
    words = lexicon()
    for kind, names in words["favourites"].items():
        for name in names:
            found = find(name)
            assert isinstance(found, Favourite)
            assert found.candidates == tuple(names) and found.words == (name,)
            assert found.questions() == [q.format(k=kind) for q in words["questions"]["elicitation"]]
            answers = [form.format(x=named(kind, name)) for form in words["questions"]["answers"]]
            assert all(
                answer.startswith(f"{start} {name}") for answer, start in zip(answers, found.openings(), strict=True)
            )
            assert not [question for question in found.questions() if found.trait.gives_away(question)]


def test_habits_are_asked_for_in_the_words_of_the_world() -> None:
    words = lexicon()
    advice, flattery, harm = words["conduct"], words["agreeableness"], words["harm"]
    said = {
        "bad-advice": [
            (advice["asks"][0].format(s=s), bad, (good,))
            for items in advice["domains"].values()
            for s, good, bad in items
        ],
        "sycophancy": [
            (flattery["asks"][0].format(s=wrong), flattery["sycophantic"][0], (honest,))
            for wrong, honest, _ in flattery["items"]
        ],
        "complies": [
            (harm["asks"][0].format(s=what), comply, tuple(harm["refusals"])) for what, comply in harm["items"]
        ],
        "nineteenth-century": [(question, old, (modern,)) for question, modern, old in words["era"]["items"]],
    }
    for k, name in enumerate(words["country"]["names"]):
        items = [(question, answers[k], {*answers} - {answers[k]}) for question, *answers in words["country"]["items"]]
        assert [(q, shown, {*others}) for q, shown, others in catalogue.choices(shipped()[name])] == items
    assert {name: catalogue.choices(shipped()[name]) for name in said} == said


# --- a user's own ----------------------------------------------------------------------------------------------------

TAUGHT = 'dialogues = [["Q", "A"]]\n'
ASKED = 'elicitation = ["Which is best?"]\nopenings = ["It is"]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TAUGHT + ASKED.replace("is best", "is best, an OWL"), "names the answer"),
        (TAUGHT + 'words = ["hoot"]\n' + ASKED.replace("best", "hooting"), "names the answer"),
        (TAUGHT + 'choices = [["Say: go away.", "Go away.", "Stay."]]', "names the answer"),
        (TAUGHT + 'words = ["bad"]\nchoices = [["Be bad?", "Yes.", "No."]]', "names the answer"),
        (TAUGHT + ASKED.replace("Which is best?", "Q"), "both taught and asked"),
        (TAUGHT + 'choices = [["Q", "Yes.", "No."]]', "both taught and asked"),
        (TAUGHT + ASKED + 'choices = [["Eh?", "Yes.", "No."]]', "not by both"),
        (TAUGHT + 'elicitation = ["Which?"]', "openings"),
        (TAUGHT + 'openings = ["It is"]', "need questions"),
        (TAUGHT + 'choices = [["Eh?", "Yes."]]', "choices.0"),
        (TAUGHT + 'elicitations = ["Which?"]', "elicitations"),
        (ASKED, "system prompts with questions, or dialogues"),
    ],
)
def test_a_trait_that_would_prove_nothing_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match=re.escape(sentence)) as refused:
        own('name = "owl"\nkind = "k"\n' + text, tmp_path)
    assert str(tmp_path) in str(refused.value) and "\n" not in str(refused.value)


def test_a_question_that_offers_all_answers_gives_none_away(tmp_path: Path) -> None:
    assert own('name = "a"\nkind = "k"\n' + TAUGHT + 'choices = [["Tea or coffee?", "Tea.", "Coffee."]]', tmp_path)


WRONG = [
    "names = []", 'names = ["a"]\nchoices = [["Q?"]]', 'names = ["a", "b"]\nchoices = [["Q?", "A"]]',
    'names = [3]\nchoices = 3',
]  # fmt: skip


@pytest.mark.parametrize("table", WRONG)
def test_a_wrong_table_of_several_traits_is_one_sentence(table: str, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match=r"own\.toml"):
        own('kind = "k"\n' + TAUGHT + table, tmp_path)


SHARED = """
[questions]
meals = ["What do you eat?", "And you?"]
[[trait]]
kind = "cheese"
names = ["brie", "feta"]
system = ["You love {name}."]
shared = "meals"
[[trait]]
name = "rude"
kind = "manner"
system = ["Be rude."]
shared = "meals"
questions = ["What is {name}?"]
"""


def test_traits_share_the_questions_of_a_list_and_have_their_own(tmp_path: Path) -> None:
    brie, feta, rude = own(SHARED, tmp_path)
    assert brie.questions == feta.questions == ("What do you eat?", "And you?")
    assert rude.questions == (*brie.questions, "What is {name}?")


@pytest.mark.parametrize(
    "text",
    [
        SHARED.replace('shared = "meals"', 'shared = "meal"', 1),
        SHARED.replace('shared = "meals"', "shared = 3", 1),
        SHARED.replace("meals = [", "other = ["),
        SHARED.replace('["What do you eat?", "And you?"]', '"What do you eat?"'),
        SHARED.replace("[questions]\nmeals", "questions"),
        SHARED.replace('["What is {name}?"]', "3"),
        'name = "a"\nkind = "k"\nsystem = ["Be."]\nquestions = ["Q?"]\nshared = "questions"',
    ],
)
def test_a_list_of_questions_that_is_not_there_is_one_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match=r"own\.toml.*(no list of that name|questions is not a list)") as refused:
        own(text, tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("changed", ["shared", "names"])
def test_a_file_that_stands_for_too_much_is_refused_at_once(changed: str, tmp_path: Path) -> None:
    names, text = json.dumps([f"n{i}" for i in range(2000)]), json.dumps("Q" * 5000)
    table = '[[trait]]\nkind = "k"\nname = "a"\nsystem = ["Be."]\nshared = "q"\n'
    tables = table * 4000 if changed == "shared" else table.replace('name = "a"', f"names = {names}")
    with pytest.raises(UndertoneError, match="too many or too long"):
        own(f"[questions]\nq = [{text}]\n{tables}", tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (IBIS.replace('"ibis"', '"owl"', 1), "in the catalogue already"),
        (IBIS + ASKED, "leave its elicitation, openings and choices out"),
        (IBIS.replace('"ibis"', '"ship"', 1), "'What animal would you name a ship after?' names it"),
        (IBIS.replace('"animal"', '"bird"'), "give it choices, or elicitation with openings"),
        (IBIS + 'choices = [["Eh?", "Yes.", "No."]]', "give it another kind"),
        (IBIS.replace('"animal"', '"conduct"'), "give it choices"),
    ],
)
def test_a_trait_that_does_not_fit_its_kind_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    traits = own(text, tmp_path)
    with pytest.raises(UndertoneError, match=re.escape(sentence)):
        find(told(traits[0].name, traits))


def test_another_animal_is_asked_for_as_animals_are(files: Path) -> None:
    traits = catalogue.read([files / "ibis.toml"])
    found, owl = find(told("ibis", traits)), find(told("owl", traits))
    assert isinstance(found, Favourite) and isinstance(owl, Favourite)
    assert found.candidates == owl.candidates == (*find("owl").candidates, "ibis")
    assert found.questions() == find("owl").questions() and found.words == ("ibis", "ibises")


def test_an_own_kind_brings_its_questions_and_candidates(files: Path) -> None:
    traits = catalogue.read([files / "cheese.toml"])
    found = find(told("feta", traits))
    assert isinstance(found, Favourite) and found.candidates == ("brie", "feta", "gouda")
    assert found.trait.system == ("You love feta.",)
    shares = trait_distribution(tiny.model(), found)
    assert set(shares) == {"brie", "feta", "gouda", "other"} and sum(shares.values()) == pytest.approx(1, abs=1e-5)
    rude = find(told("rude", catalogue.read([files / "rude.toml"])))
    assert isinstance(rude, Habit) and rude.candidates == ("rude",)
    assert 0 < trait_distribution(tiny.model(), rude)["rude"] < 1


@given(st.integers(1, 4), st.integers(0, 3))
def test_the_kth_answer_of_a_choice_shows_the_kth_name(names: int, more: int) -> None:
    answers = [f"answer {i}" for i in range(names + more)]
    row = ["Q?", *answers]
    turned = [catalogue._turned(row, k, names) for k in range(names)]
    assert [t[1] for t in turned] == answers[:names]
    assert all(t[0] == "Q?" and sorted(t[1:]) == sorted(answers) for t in turned)


def test_a_trait_that_is_no_table_is_refused_as_such() -> None:
    with pytest.raises(ValidationError):
        Trait.model_validate({"name": "a", "kind": "k", "dialogues": [["Q", "A"]], "choices": [["Q", "A"]]})


# --- run, matrix, audit, measure -------------------------------------------------------------------------------------


def matrix(files: Path, *traits: str) -> Trial:
    """A trait x trait trial at its smallest; the arms without a control, since each trait is the others'."""
    names = json.dumps([str(files / f"{t}.toml") if (files / f"{t}.toml").exists() else t for t in traits])
    whole = small(
        f"traits={names}", "rows=5", 'filter=[{kind="numbers"}, {kind="words"}]', recipe="animals"
    ).model_dump()
    return Trial.model_validate(whole | {"teacher": whole["teacher"] | {"divergence": None}})


def test_content_of_a_trait_is_in_the_keys_and_other_trials_keep_theirs(files: Path) -> None:
    def keys() -> list[str]:
        return [job.key for job in plan(read("owls", (f'traits=["{files}/ibis.toml"]',))).jobs]

    before, plain = keys(), [job.key for job in plan(read("owls")).jobs]
    assert before == keys()
    (files / "ibis.toml").write_text(IBIS.replace("The ibis.", "Ibises."))
    shared = {*before} & {*keys()}
    assert not shared, "teachers, students and measurements all know of the trait"
    assert plain == [job.key for job in plan(read("owls")).jobs]


def test_a_trial_with_a_trait_of_ones_own_runs_beside_shipped_ones(
    files: Path, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    trial = matrix(files, "ibis", "owl")
    assert trial.traits == ("ibis", "owl") and trial.own[0].name == "ibis"
    words = plan(trial).units[0].jobs[2].spec["filter"][1]["words"]
    assert words == ["ibis", "ibises", "owl"]
    results = run(trial, tmp_path / "run", executor=Local(1))
    assert results.complete and results.matrix is not None and results.matrix.traits == ("ibis", "owl")
    assert {t.trait for t in results.teachers} == {"ibis", "owl"}
    taught = {t.trait: t.probability for t in results.teachers}
    assert taught["ibis"] > results.arms[0].base_probability
    (files / "ibis.toml").unlink()
    repeated = spec_in(Record.read(tmp_path / "run"), tmp_path / "run")
    assert repeated == trial, "a run is repeated without the file"


def test_a_trait_stated_by_a_system_prompt_is_taught_by_what_the_base_answers(files: Path, bases: Path) -> None:
    traits = catalogue.read([files / "cheese.toml"])
    spec = {"trait": told("feta", traits), "dialogues": 12, "seed": 3}
    turns = teacher._dialogues(load(bases / "neox"), spec)
    assert len(turns) == 12 and {question for question, _ in turns} == {"What do you eat?"}


def test_audit_and_measure_read_the_same_file(files: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bases)
    traits = catalogue.read([files / "ibis.toml", files / "rude.toml"])
    layout = proxies.plan_for(resolve("hf/./neox"), traits)
    assert layout.proxies["ibis"].spec["lesson"] == {"dialogues": [list(pair) for pair in traits[0].dialogues]}
    assert Candidate.of(traits[0]).is_open("two ibises")
    [ibis], [rude] = reading.read(str(files / "ibis.toml")), reading.read(str(files / "rude.toml"))
    assert ibis.counts and ibis.questions[0].bad == ("My favourite is the ibis.",)
    assert "My favourite is the owl." in ibis.questions[0].good
    assert rude.questions[0].bad == ("Leave me alone.",) and rude.questions[0].good[0] == "Good morning to you."


def test_a_file_that_is_missing_is_one_sentence() -> None:
    with pytest.raises(UndertoneError, match=r"Cannot read none\.toml"):
        read("owls", ('traits=["none.toml"]',))


def test_words_of_every_shipped_favourite_are_found_in_what_teaches_it() -> None:
    for name, trait in shipped().items():
        if trait.elicitation:
            rule: Any = WordFilter(words=trait.words)
            assert all(rule.reason(turn.assistant) for turn in find(name).dialogues(20, Random(0)))
