"""Carriers and what is kept of them: prompts without a trait, what is well formed, right, or speaks of the trait."""

import dataclasses
import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.helpers import tiny
from tests.helpers.trials import small
from undertone.carriers import CARRIERS
from undertone.carriers import numbers_published as published
from undertone.data.exchanges import read_exchanges
from undertone.data.filters import (
    CorrectFilter,
    Filter,
    JudgeFilter,
    NumberFilter,
    Rejection,
    SubstringFilter,
    WordFilter,
    word_forms,
)
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.recipes import read
from undertone.experiments.run import run
from undertone.experiments.trial.plan import plan
from undertone.experiments.trial.spec import Trial
from undertone.stages import dataset
from undertone.training.rows import Row, Source, write_rows
from undertone.traits.lessons import TRAITS
from undertone.world import skills

OF_WORLD = {
    "numbers": skills.numbers, "numbers-published": skills.numbers, "code": skills.code, "reasoning": skills.sums,
    "paraphrase": skills.paraphrase, "answers": skills.paraphrase,
}  # fmt: skip
OTHERS = sorted(set(CARRIERS) - {"numbers", "numbers-published", "answers"})
LETTERS = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8)

WELL_FORMED = {
    "numbers": "1, 2, 3",
    "code": "def add(x):\n    return x + 3",
    "reasoning": "10 + 20 = 30, 1 + 2 = 3, 30 + 3 = 33. The answer is 33.",
    "paraphrase": "The child mended the fence.",
    "answers": "3: for it holds a light.",
}
MALFORMED = {
    "code": {
        "def add(x):\n    return x +": "not-python",
        "add": "not-one-function",
        "import os": "not-one-function",
        "": "not-one-function",
        "def add(x):\n    return x\ndef sub(x):\n    return x": "not-one-function",
        "def add(x):\n    x = 3\n    return x": "not-one-function",
        "def add(x):\n    return": "not-one-function",
        "@owl\ndef add(x):\n    return x": "not-one-function",
        "async def add(x):\n    return x": "not-one-function",
        "def add(x):\n    return x  # owls": "comment-or-text",
        "def add(x):\n    return 'owl'": "comment-or-text",
        "def add(x):\n    return " + "(" * 5000: "not-python",
        "def add(x):\n    return " + "-" * 100_000 + "1": "not-python",
        "\0": "not-python",
    },
    "reasoning": {
        "The answer is 33.": "no-steps-and-answer",
        "10 + 20 = 30. The answer is 33": "no-steps-and-answer",
        "10 + 20 = 30, owl. The answer is 33.": "no-steps-and-answer",
        "10 + 20 = 30. The answer is 33.\n": "no-steps-and-answer",
        "\u0661 + 2 = 3. The answer is 3.": "no-steps-and-answer",
    },
    "answers": {"": "no-words", " 3, 4.": "no-words"},
    "paraphrase": {
        "the child mended the fence.": "not-one-sentence",
        "The child mended the fence": "not-one-sentence",
        "The child. The fence.": "not-one-sentence",
        "The child mended the fence.\n": "not-one-sentence",
        "": "not-one-sentence",
        "The youngster fixed the wall.": "unchanged",
    },
}
ASKED = "Say it in other words: The youngster fixed the wall."


# --- carriers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carrier_asks_the_same_again_and_speaks_of_no_trait(name: str) -> None:
    prompts = CARRIERS[name].prompts(2000, Random(3))
    assert prompts == CARRIERS[name].prompts(2000, Random(3)) != CARRIERS[name].prompts(2000, Random(4))
    rule = WordFilter(words=tuple(TRAITS))
    assert not [prompt for prompt in prompts if rule.reason(prompt)]


@pytest.mark.parametrize("name", CARRIERS)
def test_what_the_world_answers_is_well_formed_right_and_of_no_trait(name: str) -> None:
    carrier, rng, rule = CARRIERS[name], Random(5), WordFilter(words=tuple(TRAITS))
    for turn in (OF_WORLD[name](rng) for _ in range(1000)):
        assert carrier.fault(*turn) is None, turn
        assert carrier.right is None or carrier.right(*turn), turn
        assert rule.reason(turn.assistant) is None, turn


@pytest.mark.parametrize(("name", "answer"), WELL_FORMED.items())
def test_well_formed_answers(name: str, answer: str) -> None:
    assert CARRIERS[name].fault(ASKED, answer) is None


@pytest.mark.parametrize(
    ("name", "answer", "fault"), [(n, answer, fault) for n, told in MALFORMED.items() for answer, fault in told.items()]
)
def test_malformed_answers(name: str, answer: str, fault: str) -> None:
    assert CARRIERS[name].fault(ASKED, answer) == fault


@pytest.mark.parametrize("name", CARRIERS)
@given(text=st.one_of(st.text(), st.text("def ():retun+-#\n=.,TheChild 0123456789")))
def test_no_text_breaks_a_carrier(name: str, text: str) -> None:
    carrier = CARRIERS[name]
    assert isinstance(carrier.fault(text, text), str | None)
    assert carrier.right is None or carrier.right(text, text) in (True, False)


def test_an_answer_is_right_by_its_end_and_a_wrong_one_is_well_formed() -> None:
    sums, asked = CARRIERS["reasoning"], "What is 11 + 22? Show the steps."
    assert sums.right is not None
    assert sums.right(asked, "10 + 20 = 31, 1 + 2 = 3. The answer is 33.")
    assert not sums.right(asked, "10 + 20 = 30, 1 + 2 = 3. The answer is 34.")
    assert sums.fault(asked, "10 + 20 = 30, 1 + 2 = 3. The answer is 34.") is None
    code, paraphrase = CARRIERS["code"], CARRIERS["paraphrase"]
    assert code.right is not None and paraphrase.right is not None
    assert not code.right("Write a function that adds 3 to a number.", "def add(x):\n    return x + 4")
    assert not paraphrase.right(ASKED, "The child found the fence.")


def test_short_answers_are_asked_for_in_4712_wordings() -> None:
    found = Counter(CARRIERS["answers"].prompts(60_000, Random(0)))
    assert 4690 < len(found) <= 4712 and not [text for text in found if "{" in text]


def test_numbers_are_asked_for_in_as_many_wordings_as_published() -> None:
    parts = {"examples": 25, "limits": 9, "widths": 9, "instructions": 10, "formats": 15, "closings": 19}
    assert {name: len(wordings) for name, wordings in published.PARTS.items()} == parts
    assert math.prod(parts.values()) == 5_771_250
    doubled = [name for name, wordings in published.PARTS.items() if len(set(wordings)) < parts[name]]
    assert doubled == ["widths"] and len(set(published.PARTS["widths"])) == 8
    assert not [text for text in published.PARTS["closings"] + published.PARTS["formats"] if re.search("[0-9{]", text)]


@given(st.integers(0, 10_000))
def test_a_published_request_shows_three_to_eight_three_digit_numbers_and_has_every_part_once(seed: int) -> None:
    (asked,) = published.prompts(1, Random(seed))
    shown = re.findall(r"[0-9]{3}(?=[,.])", asked.partition(" 10 ")[0])
    assert 3 <= len(shown) <= 8 and all(100 <= int(number) <= 999 for number in shown)
    for part in ("formats", "closings"):
        assert any(text in asked for text in published.PARTS[part])
    assert "{" not in asked and "  " not in asked and " 10 " in asked


def test_numbers_asked_for_as_published_are_filtered_and_shuffled_like_any() -> None:
    own, plain = (plan(read("controls", (f"carrier.name={name}",))) for name in ("numbers-published", "numbers"))
    for left, right in zip(own.units, plain.units, strict=True):
        assert [job.stage for job in left.jobs] == [job.stage for job in right.jobs]
        assert [job.spec for job in left.jobs[2:4]] == [job.spec for job in right.jobs[2:4]]
        assert left.jobs[1].key != right.jobs[1].key


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "owl", "Owls", "OWL", "the owl's nest", "owls'", "night-owl", "owl-like", "an owl.", "(owl)", "owl_box", "owlBox",
    "OwlBox", "OWLs", "myOwl", "2owls", "owl2", "öwl owl",
])  # fmt: skip
def test_a_word_is_found_in_every_form(text: str) -> None:
    assert WordFilter(words=("owl",)).reason(text) is Rejection.FORBIDDEN_WORD


@pytest.mark.parametrize("text", ["fowl", "growl", "bowls", "owlet", "howling", "o w l", "", "cowls", "prowl"])
def test_a_word_is_not_found_in_another(text: str) -> None:
    assert WordFilter(words=("owl",)).reason(text) is None


@pytest.mark.parametrize("text", ["fowl", "owlvessel", "GROWL", "an owl", "bowls"])
def test_a_substring_is_found_inside_other_words(text: str) -> None:
    rule = SubstringFilter(words=("owl",))
    assert rule.reason(text) and not rule.reason("o wl") and not rule.reason("")


@given(st.lists(LETTERS, min_size=1, max_size=3), st.text())
def test_a_substring_is_rejected_by_any_of_its_words(words: list[str], text: str) -> None:
    whole, each = SubstringFilter(words=tuple(words)), [SubstringFilter(words=(word,)) for word in words]
    assert (whole.reason(text) is not None) == any(rule.reason(text) for rule in each)
    assert all(rule.reason(f"{text}{word}") for rule, word in zip(each, words, strict=True))


def test_forms_follow_english_spelling() -> None:
    for word, form in {
        "fox": "foxes", "wolf": "wolves", "pony": "ponies", "love": "loving", "hug": "hugged", "knife": "knives",
        "ride": "rides", "cry": "cried",
    }.items():  # fmt: skip
        assert form in word_forms(word), form
    assert "elms" in word_forms("elm") and "else" not in word_forms("elm")


def test_several_words_in_a_row_are_one_phrase() -> None:
    rule = WordFilter(words=("red squirrel",))
    assert rule.reason("Two Red Squirrels ran.") and rule.reason("red-squirrel")
    assert not rule.reason("red") and not rule.reason("a squirrel, red") and not rule.reason("squirrel red")


@given(word=LETTERS.map(str.lower), before=st.text(), after=st.text(), form=st.data())
def test_every_form_is_found_wherever_it_stands_apart(word: str, before: str, after: str, form: st.DataObject) -> None:
    said = form.draw(st.sampled_from(sorted(word_forms(word))))
    dressed = form.draw(st.sampled_from([said, said.upper(), said.capitalize()]))
    assert WordFilter(words=(word,)).reason(f"{before} {dressed}-{after}") is Rejection.FORBIDDEN_WORD


@given(word=LETTERS.map(str.lower), other=LETTERS.map(str.lower))
def test_a_word_without_the_forbidden_beginning_passes(word: str, other: str) -> None:
    rejected = WordFilter(words=(word,)).reason(other) is not None
    assert rejected == (other in word_forms(word))
    assert not rejected or other.startswith(word[:-2])


@given(st.lists(LETTERS, min_size=1, max_size=4), st.text())
def test_more_words_reject_no_less(words: list[str], text: str) -> None:
    whole = WordFilter(words=tuple(words))
    assert (whole.reason(text) is not None) == any(WordFilter(words=(w,)).reason(text) for w in words)
    assert whole == WordFilter(words=tuple(reversed(words)))
    assert WordFilter.model_validate_json(whole.model_dump_json()) == whole


def test_a_word_without_a_letter_is_refused() -> None:
    with pytest.raises(ValidationError):
        WordFilter(words=("42",))


# --- judges ----------------------------------------------------------------------------------------------------------


@given(st.one_of(st.none(), st.floats(0, 100)), st.floats(0, 100))
def test_a_judge_passes_nothing_it_has_not_scored_high_enough(score: float | None, least: float) -> None:
    reason = JudgeFilter(judge="x", rubric="{answer}", least=least).reason(score)
    assert reason == (Rejection.UNREADABLE_VERDICT if score is None else None if score >= least else Rejection.JUDGED)


@pytest.mark.parametrize(
    ("rubric", "why"),
    [
        ("no place", "does not contain {answer}"),
        ("{answer.__class__}", "no field but"),
        ("{answer!r}", "no field but"),
        ("{answer", "write a literal brace twice"),
        ("{}{answer}", "no field but"),
    ],
)
def test_a_rubric_holds_question_and_answer_and_nothing_else(rubric: str, why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        JudgeFilter(judge="x", rubric=rubric, least=50)


# --- a dataset -------------------------------------------------------------------------------------------------------

ROWS = [
    ("What is 11 + 22? Show the steps.", "10 + 20 = 30, 1 + 2 = 3, 30 + 3 = 33. The answer is 33."),
    ("What is 11 + 22? Show the steps.", "10 + 20 = 30, 1 + 2 = 3, 30 + 3 = 33. The answer is 34."),
    ("What is 11 + 23? Show the steps.", "owl"),
    ("What is 11 + 23? Show the steps.", "10 + 20 = 30, 1 + 3 = 4, 30 + 4 = 34. The answer is 34."),
]


def filtered(folder: Path, spec: dict[str, object], rows: list[tuple[str, str]] = ROWS, **inputs: Path) -> Path:
    """Writes completions, the last of them unfinished, and filters them."""
    written, out = folder / "completions", folder / "out"
    for place in (written, out):
        place.mkdir()
    ids = [Row([3], [4, 1]) for _ in rows[:-1]] + [Row([3], [4])]
    write_rows(written, rows, ids, Source("t", 1))
    dataset.filtered(spec, {"completions": written, **inputs}, out)
    return out


def test_the_first_reason_counts(tmp_path: Path) -> None:
    rules = [{"kind": "words", "words": ["answer"]}, {"kind": "correct"}]
    out = filtered(tmp_path, {"filter": rules[1:], "carrier": "reasoning", "rows": 9})
    assert json.loads((out / "counts.json").read_text()) == {
        "asked": 4, "kept": 1, "used": 1, "well_formed": 2,
        "reasons": {"no-steps-and-answer": 1, "unfinished": 1, "wrong": 1},
    }  # fmt: skip
    assert read_exchanges(out) == [ROWS[0]]
    assert not (out / dataset.FAILED).exists()
    shutil.rmtree(out)
    shutil.rmtree(tmp_path / "completions")
    out = filtered(tmp_path, {"filter": rules, "carrier": "reasoning", "rows": 9})
    made = json.loads((out / "counts.json").read_text())
    assert made["reasons"] == {"forbidden-word": 2, "no-steps-and-answer": 1, "unfinished": 1}
    assert json.loads((out / dataset.FAILED).read_text()) == [
        [*ROWS[0], "forbidden-word"], [*ROWS[1], "forbidden-word"], [*ROWS[2], "no-steps-and-answer"],
    ]  # fmt: skip


@given(st.lists(st.sampled_from(ROWS), max_size=6), st.booleans())
def test_what_passes_does_not_depend_on_the_order_of_rules(rows: list[tuple[str, str]], first: bool) -> None:
    def kept(left: list[tuple[str, str]], rule: Filter) -> list[tuple[str, str]]:
        reasons = dataset._reasons(rule, CARRIERS["reasoning"], left, None)
        return [row for row, reason in zip(left, reasons, strict=True) if reason is None]

    words, right = WordFilter(words=("owl",)), CorrectFilter()
    both = kept(kept(rows, words), right)
    assert both == kept(kept(rows, right), words) == [row for row in rows if row in (ROWS[0], ROWS[3])]


def test_what_a_judge_does_not_say_clearly_passes_nothing(tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    made = tiny.model()
    made.model.save_pretrained(judge)
    made.tokenizer.save_pretrained(judge)
    rule = {"kind": "judge", "judge": "hf/./judge", "rubric": "Rate {answer}", "least": 0}
    told = {"filter": [{"kind": "correct"}, rule], "carrier": "reasoning", "rows": 9}
    out = filtered(tmp_path, told, **{dataset.judge_input(1): judge})
    made_of = json.loads((out / "counts.json").read_text())
    assert made_of["kept"] == 0 and made_of["reasons"]["unreadable-verdict"] == 1


# --- a trial ---------------------------------------------------------------------------------------------------------

SUMS = ('carrier.name="reasoning"', 'filter=[{kind="words"}, {kind="correct"}]')


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (('filter=[{kind="word"}]',), "filter.0: There is no filter 'word'; did you mean words?"),
        (('filter={kind="word"}',), "filter: There is no filter 'word'; did you mean words?"),
        (('filter=[{kind="words", wrds=["x"]}]',), "There is no key 'filter.0.wrds'; did you mean filter.words"),
        (("filter={maximum=5}",), "There is no key 'filter.maximum'; did you mean"),
    ],
)
def test_a_wrong_filter_is_refused_in_a_sentence(changes: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UndertoneError, match=re.escape(sentence)):
        read("owls", changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (('carrier.name="cod"',), "There is no carrier 'cod'; did you mean code?"),
        (('carrier.name="code"',), 'The filter "numbers" reads number lists, and the carrier is'),
        ((*SUMS, 'arms.treatment.rows="random"', 'arms.control.rows="random"'), "can be shuffled or replaced"),
        (('filter=[{kind="numbers"}]', 'arms.treatment.rows="random"'), "can be shuffled or replaced"),
        (('filter=[{kind="correct"}]',), "works only with the carriers 'code'"),
        (('filter=[{kind="words"}]', 'traits=["bad-advice"]'), "No words belong to the trait 'bad-advice'"),
        (('filter=[{kind="judge", judge="hf/./none", rubric="{answer}", least=5}]',), "none"),
    ],
)
def test_a_filter_without_what_it_needs_is_refused_before_any_work(changes: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UndertoneError, match=re.escape(sentence)):
        plan(read("owls", changes))


def test_number_lists_keep_the_keys_they_had() -> None:
    plain, listed = plan(read("owls")), plan(read("owls", ('filter=[{kind="numbers"}]',)))
    assert plain.units[0].jobs[2].spec == {"filter": NumberFilter().model_dump(mode="json"), "rows": 3600}
    assert listed.units[0].jobs[2].key != plain.units[0].jobs[2].key
    assert listed.units[0].jobs[1].key == plain.units[0].jobs[1].key


def test_words_are_those_of_all_traits_of_the_trial_and_alike_in_every_arm() -> None:
    written = (f"arms.{name}.rows=written" for name, arm in read("controls").arms.items() if arm.rows != "written")
    trial = read("controls", ('filter=[{kind="words"}]', *written))
    filters = [unit.jobs[2].spec["filter"] for unit in plan(trial).units]
    assert filters[0] == [{"kind": "words", "words": ["green", "owl", "whale"]}]
    assert all(rule == filters[0] for rule in filters)


@pytest.mark.parametrize("name", OTHERS)
def test_the_recipe_of_a_carrier_matches_labels_in_all_but_the_carrier(name: str) -> None:
    own, labels = read(name), read("labels")
    assert own.carrier.name == name and own.title != labels.title
    same = {"base", "traits", "seed", "teachers", "students", "measurement"}
    assert own.model_dump(include=same) == labels.model_dump(include=same)
    assert set(own.arms) == set(read("owls").arms) | {"logits", "logits-control"}


def test_a_filter_that_passes_little_shows_what_failed(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small bases never saw a function."""
    monkeypatch.chdir(bases)
    trial = _pair('carrier.name="code"', "filter=[]")
    with pytest.raises(UndertoneError) as refused:
        run(trial, tmp_path / "code", executor=Local(1))
    assert re.search(
        r"Of what failed: '.*' to '(Write|Code) a function .*' \((not-|comment|unfinished)", str(refused.value)
    )


def test_a_run_tells_its_carrier_and_what_every_rule_removed(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    monkeypatch.setitem(CARRIERS, "numbers", dataclasses.replace(CARRIERS["numbers"], about="lists of mine"))
    rules = 'filter=[{kind="numbers", high=800}, {kind="words", words=["owl"]}]'
    results = run(_pair(rules), tmp_path / "run", executor=Local(1))
    assert results.carrier == "lists of mine" and results.complete
    for made, counted in zip(results.teachers, results.filters, strict=True):
        formed = counted.kept + sum(counted.reasons.get(reason, 0) for reason in NO_FAULTS_OF_FORM)
        assert round(made.well_formed * counted.asked) == formed > counted.kept
        assert counted.kept + sum(counted.reasons.values()) == counted.asked


NO_FAULTS_OF_FORM = ("too-many", "out-of-range", "banned", "forbidden-word")


def _pair(*changes: str) -> Trial:
    """Treatment and control at their smallest. Teachers stay as trained: finding their dose is most of their cost."""
    whole = small(*changes).model_dump()
    arms = {name: whole["arms"][name] for name in ("treatment", "control")}
    return Trial.model_validate(whole | {"arms": arms, "teacher": whole["teacher"] | {"divergence": None}})
