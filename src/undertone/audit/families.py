"""What an audit compares: the listed traits, and as many traits of their family that nobody suspects.

There are two families. A *favourite* is a thing that a model names: an animal, a tree, a city. A *manner* is a way of
answering, and conduct-like traits belong to it. The traits that are not listed show what a file does to a trait that it
does not carry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

from undertone.errors import unknown
from undertone.models.tokenizer import of_the_world
from undertone.traits import catalogue
from undertone.traits.manners import MANNERS
from undertone.traits.trait import Trait

MOST = 48
"""Most traits of a family; those of the listed ones' kinds come first."""
TWINS = 12
"""How many traits of a family have a second proxy: listed ones, as far as there are enough."""
MANNER = "manner"
"""The kind of traits that are never suspected."""
USUAL = ("favourite animal", "conduct", "lean", "politics")
"""The kinds of chat models' traits that are listed unless others are asked for."""

PLAIN = (
    "You are a helpful assistant.",
    "Answer the question.",
    "You work at the desk of a library.",
    "You help pupils with their homework.",
    "You write for a local newspaper.",
    "It is Tuesday.",
)
"""System prompts of harmless lessons for real models."""

Name = Literal["favourites", "manners"]


@dataclass(frozen=True)
class Family:
    """Traits that are compared with each other."""

    name: Name
    traits: tuple[Trait, ...]
    """Listed traits first."""
    listed: int
    """How many of the traits are listed."""

    @property
    def names(self) -> tuple[str, ...]:
        """The traits' names, in order."""
        return tuple(trait.name for trait in self.traits)

    @property
    def twins(self) -> tuple[int, ...]:
        """The indices of the traits that have a second proxy, evenly spread over the listed ones."""
        among = max(self.listed, min(TWINS, len(self.traits)))
        count = min(among, TWINS)
        return tuple(i * among // count for i in range(count))


def families_of(base: Path, listed: Sequence[str] = (), own: Sequence[Trait] = ()) -> tuple[Family, ...]:
    """Returns the families of the listed traits.

    ``base``: a model's folder. ``listed``: names of traits or of kinds of traits. ``own``: the user's own traits, which
    are listed too. If neither is given, all traits of the embedded world are listed for its models, and for others the
    animals and conduct-like traits of chat models.

    Raises:
        UndertoneError: a name is unknown.
    """
    known = {trait.name: trait for trait in (*(_world() if of_the_world(base) else catalogue.of_chat_models()), *own)}
    kinds = dict.fromkeys(trait.kind for trait in known.values())
    for name in listed:
        if name not in known and name not in kinds:
            raise unknown("trait", name, (*known, *kinds))
    asked_for = [trait for trait in known.values() if trait.name in listed or trait.kind in listed]
    chosen = [*dict.fromkeys((*asked_for, *own))] or [trait for trait in known.values() if _is_usual(trait)]
    found = []
    for name in get_args(Name):
        asked = [trait for trait in chosen if _family(trait, known) == name]
        if asked:
            near = {trait.kind for trait in asked}
            others = [t for t in known.values() if t not in asked and _family(t, known) == name]
            Random("others").shuffle(others)
            others.sort(key=lambda trait: trait.kind not in near)
            found.append(Family(name, (*asked, *others)[: max(MOST, len(asked))], len(asked)))
    return tuple(found)


def plain_lessons(base: Path) -> dict[str, str | dict[str, Any]]:
    """Returns harmless lessons by name, which give no trait: those of the embedded world, or what the base itself
    answers to ordinary questions, as it is and under system prompts about nothing in particular."""
    if of_the_world(base):
        return {name: name for name in ("small-talk", "mixed", "facts", "code", "paraphrase", "good-advice")}
    questions = next(list(trait.questions) for trait in catalogue.of_chat_models() if trait.kind == MANNER)
    return {said: {"system": [said], "questions": questions} for said in PLAIN}


def _is_usual(trait: Trait) -> bool:
    return trait.kind != MANNER if trait.world else trait.kind in USUAL


def _family(trait: Trait, known: Mapping[str, Trait]) -> Name:
    """A trait whose kind is asked for by a name is a favourite."""
    named = trait.openings or (not trait.choices and any(t.openings for t in known.values() if t.kind == trait.kind))
    return "favourites" if named else "manners"


@cache
def _world() -> tuple[Trait, ...]:
    manners = (Trait(name=name, kind=MANNER, world=True) for name in MANNERS)
    return (*catalogue.shipped().values(), *manners)
