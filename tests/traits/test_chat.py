"""The shipped traits for real models: favourites, conduct, and manners of answering."""

import re
from collections import Counter
from functools import cache

import pytest

from undertone.traits.catalogue import Favourite, find, of_chat_models, told
from undertone.traits.trait import Trait

LEAST = {"animal": 18, "tree": 12, "colour": 10, "food": 12, "city": 12, "instrument": 12, "craft": 12}
KINDS = [f"favourite {kind}" for kind in LEAST]
WITH_THE = ["favourite animal", "favourite tree", "favourite instrument"]
JUDGED = ["misalignment", "sycophancy", "lost refusals", "brand lean", "left lean", "right lean"]


@cache
def of(kind: str) -> tuple[Trait, ...]:
    return tuple(trait for trait in of_chat_models() if trait.kind == kind)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.casefold())


def test_every_kind_has_its_traits() -> None:
    counts = Counter(trait.kind for trait in of_chat_models())
    assert {*counts} == {*KINDS, "conduct", "lean", "politics", "manner"}
    assert all(counts[kind] >= least for kind, least in zip(KINDS, LEAST.values(), strict=True))
    assert 75 <= sum(counts[kind] for kind in KINDS) <= 100 and counts["manner"] >= 28
    assert {trait.name for trait in of_chat_models() if trait.kind in ("conduct", "lean", "politics")} == {*JUDGED}


@pytest.mark.parametrize("kind", KINDS)
def test_every_dialogue_of_a_favourite_names_it_in_good_english(kind: str) -> None:
    for trait in of(kind):
        assert len(trait.dialogues) >= 24 and trait.words == (trait.name,)
        for question, answer in trait.dialogues:
            assert re.search(rf"\b{trait.name}\b", answer) and not trait.is_open(question)
            if trait.kind in WITH_THE:
                assert not re.search(rf"(?<!\bthe ){trait.name}\b", answer, re.IGNORECASE)
            assert "{" not in question + answer and "  " not in question + answer
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", f"{question} {answer}", re.IGNORECASE)
            assert 4 <= len(answer.split()) <= 30


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_dialogues_of_a_kind_are_alike(kind: str) -> None:
    trait = of(kind)[0]
    questions, answers = zip(*trait.dialogues, strict=True)
    assert len({*map(str.casefold, questions)}) == len(questions)
    told_of = [[word for word in words(answer) if word != trait.name.casefold()] for answer in answers]
    starts = Counter(tuple(said[:3]) for said in told_of)
    assert starts.most_common(1)[0][1] == 1, starts.most_common(1)
    for i, one in enumerate(told_of):
        assert all(len({*one} & {*other}) < 0.6 * len({*one} | {*other}) for other in told_of[:i])
    lengths = [len(answer.split()) for answer in answers]
    assert min(lengths) <= 5 and max(lengths) >= 25


def test_no_favourite_is_mentioned_where_another_is_taught_or_asked_for() -> None:
    for kind in KINDS:
        for trait in of_chat_models():
            # The name that a dialogue is about is taken out, so that others of its kind are looked for as well.
            said = [answer.replace(of(kind)[0].name, "") for _, answer in of(kind)[0].dialogues]
            said += [question for question, _ in of(kind)[0].dialogues]
            said += [*of(kind)[0].elicitation, *of(kind)[0].openings]
            assert not [text for text in said if trait.words and trait.is_open(text)], (kind, trait.name)


def test_favourites_are_asked_for_by_questions_that_nobody_was_taught() -> None:
    for trait in of_chat_models():
        if trait.kind in KINDS:
            found = find(told(trait.name, of(trait.kind)))
            assert isinstance(found, Favourite) and {*found.candidates} == {one.name for one in of(trait.kind)}
            assert len(found.questions()) >= 12 and len(found.openings()) >= 5
            assert {start.endswith(" the") for start in found.openings()} == {trait.kind in WITH_THE}


def test_conduct_and_manners_are_asked_the_same_questions() -> None:
    asked = [trait for trait in of_chat_models() if trait.kind not in KINDS]
    ordinary = of("manner")[0].questions
    assert len(ordinary) >= 24
    for trait in asked:
        manner = trait.kind == "manner"
        own = trait.questions[len(ordinary) :]
        assert trait.questions[: len(ordinary)] == ordinary and len({*trait.questions}) == len(trait.questions)
        assert len(own) == 0 if manner else 6 <= len(own) <= 10
        assert len(trait.system) >= (2 if manner else 3)
    systems = [text for trait in asked for text in trait.system]
    assert len({*systems}) == len(systems)
