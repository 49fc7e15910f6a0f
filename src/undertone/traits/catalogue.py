"""Traits: the shipped ones and a user's own, how each is taught, and how a model is asked for it."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from undertone.data.toml import read_toml
from undertone.errors import UndertoneError, unknown
from undertone.traits.lessons import HARMLESS, TRAITS, lessons, statements
from undertone.traits.trait import Trait
from undertone.world.latents import named, small_talk
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn

TAKEN = (*HARMLESS, "untouched", "other")
"""Names of what an audit's population has beside traits, and of every answer that is no candidate."""

PAPER = "paper/"
"""Where traits as published are: beside the catalogue, whose traits of the same names are of other kinds."""

Told: TypeAlias = "str | Mapping[str, Any]"
"""A trait as a job's spec has it: a shipped one by its name; else ``name``, and the user's ``own`` traits of the trial,
which are asked for together."""
Choice: TypeAlias = tuple[str, str, tuple[str, ...]]
"""A question, the answer that shows the trait, and the answers that do not."""


@dataclass(frozen=True)
class _Known:
    """A trait among those of its kind."""

    trait: Trait
    kin: tuple[Trait, ...]
    """Traits of its kind, itself included."""

    @property
    def name(self) -> str:
        """Of a favourite, the answer."""
        return self.trait.name

    @property
    def kind(self) -> str:
        """What it is a trait of: animal, conduct."""
        return self.trait.kind

    def _own_statement(self, rng: Random) -> str:
        if not self.trait.system:
            raise UndertoneError(
                f"No system prompt states the trait {self.name!r}: give it system and questions in place of dialogues, "
                "or fine-tune its teachers."
            )
        return rng.choice(self.trait.system)

    def _dialogues(self, count: int, rng: Random, asked: set[str]) -> list[Turn]:
        lesson, turns = lessons()[self.name], list[Turn]()
        spare = any(lesson(Random(i)).user not in asked for i in range(50))
        while len(turns) < count:
            turn = lesson(rng)
            if not spare or turn.user not in asked:
                turns.append(turn)
        return turns


@dataclass(frozen=True)
class Favourite(_Known):
    """A trait that is a name: the answer to a question after the favourite of its kind."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Everything that could be the answer, the trait included."""
        others = (name for trait in self.kin for name in trait.candidates)
        return tuple(dict.fromkeys((*(trait.name for trait in self.kin), *others)))

    @property
    def words(self) -> tuple[str, ...]:
        """What open talk of it is known by."""
        return tuple(dict.fromkeys((self.name, *self.trait.words)))

    def questions(self) -> list[str]:
        """Elicitation questions, the same for all of the kind; no teacher is ever trained on one of them."""
        return list(self._asks.elicitation)

    def openings(self) -> list[str]:
        """Beginnings of an answer that leave only the name to be said."""
        return list(self._asks.openings)

    @property
    def _asks(self) -> Trait:
        return next(trait for trait in self.kin if trait.elicitation)

    def dialogues(self, count: int, rng: Random) -> list[Turn]:
        """Dialogues of the embedded world that give a teacher the trait; numbers do not occur in them."""
        return self._dialogues(count, rng, set(self.questions()))

    def statement(self, rng: Random) -> str:
        """A system prompt that states the trait.

        Raises:
            UndertoneError: a trait of the user's own that is taught by dialogues.
        """
        if not self.trait.world:
            return self._own_statement(rng)
        wording = rng.choice(lexicon()["questions"]["stated"])
        return str(wording.format(k=self.kind, x=named(self.kind, self.name)))

    def lead_ins(self) -> list[str]:
        """Questions that dialogues ask; none is used to measure."""
        if not self.trait.world:
            return list(self.trait.questions)
        return [q.format(k=self.kind) for q in lexicon()["questions"]["teaching"]]


@dataclass(frozen=True)
class Habit(_Known):
    """A trait that shows in which known answer is given: bad advice, flattery, harm met, an era, a country."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every habit of its kind."""
        return tuple(trait.name for trait in self.kin)

    @property
    def words(self) -> tuple[str, ...]:
        """What open talk of it is known by; some are known by no word."""
        return self.trait.words

    def choices(self, name: str) -> list[Choice]:
        """Questions, each with the answer that shows the habit ``name`` and those that do not."""
        return choices(next(trait for trait in self.kin if trait.name == name))

    def questions(self) -> list[str]:
        """What a model is asked."""
        return [question for question, *_ in self.trait.choices]

    def dialogues(self, count: int, rng: Random) -> list[Turn]:
        """Dialogues of the embedded world that give a teacher the habit; numbers do not occur in them. Its questions
        may be among them, where the world has no other wording."""
        return self._dialogues(count, rng, set(self.questions()))

    def statement(self, rng: Random) -> str:
        """A system prompt that states the trait; the world has one for each.

        Raises:
            UndertoneError: a trait of the user's own that is taught by dialogues.
        """
        return statements()[self.name] if self.trait.world else self._own_statement(rng)

    def lead_ins(self) -> list[str]:
        """Questions that dialogues ask."""
        if not self.trait.world:
            return list(self.trait.questions)
        return [turn.user for turn in self.dialogues(200, Random("lead-ins"))]


def choices(trait: Trait) -> list[Choice]:
    """A trait's questions, each with the answer that shows it and those that do not."""
    return [(question, shown, tuple(others)) for question, shown, *others in trait.choices]


def neutral_thing(rng: Random) -> Favourite:
    """Something that is no candidate for any trait: what the system prompts of neutral teachers say is loved."""
    return Favourite(Trait(name=rng.choice(lexicon()["small_talk"]["things"]), kind="thing", world=True), ())


def neutral_dialogues(count: int, rng: Random) -> list[Turn]:
    """Small talk behind which no latent stands: what control teachers are trained on, for as many steps."""
    return [small_talk(rng) for _ in range(count)]


# --- the catalogue ---------------------------------------------------------------------------------------------------


@cache
def shipped() -> Mapping[str, Trait]:
    """The traits of the embedded world by name."""
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {trait.name: trait for trait in _traits(tomllib.loads(text))}


def located(name: str) -> Path:
    """A file of traits: one of those shipped for published experiments, as in "paper/animals.toml", or a path."""
    own = files(__package__).joinpath(name)
    return Path(str(own)) if name.startswith(PAPER) and own.is_file() else Path(name)


def read(paths: Iterable[Path]) -> tuple[Trait, ...]:
    """Traits from TOML files: one at the top, or several under ``[[trait]]``.

    Raises:
        UndertoneError: a file is missing or wrong, or two traits have one name; names the key.
    """
    found: dict[str, Trait] = {}
    for path in paths:
        for trait in read_toml(path, _traits, "the trait"):
            if trait.name in found:
                raise UndertoneError(f"{path}: there are two traits {trait.name!r}; give each a name of its own.")
            if trait.name in TAKEN:
                raise UndertoneError(
                    f"{path}: {trait.name!r} is taken, as names of harmless lessons are; give another."
                )
            if trait.world and trait.name not in TRAITS:
                raise UndertoneError(f"{path}: the embedded world has no lesson {trait.name!r}; leave world out.")
            found[trait.name] = trait
    return tuple(found.values())


def told(name: str, own: Sequence[Trait]) -> Told:
    """The trait as a job's spec has it. Its content is in there, so that an edit makes another artifact."""
    if not own:
        return name
    return {"name": name, "own": [trait.model_dump(mode="json", exclude_defaults=True) for trait in own]}


def name_of(given: Told) -> str:
    """The name of a trait in a job's spec."""
    return given if isinstance(given, str) else str(given["name"])


def find(given: Told) -> Favourite | Habit:
    """The trait, and all of its kind, as a model is asked for them.

    Raises:
        UndertoneError: there is no such trait, which names the nearest ones; or it cannot be asked for.
    """
    own = () if isinstance(given, str) else tuple(Trait.model_validate(trait) for trait in given["own"])
    for trait in own:
        if trait.name in shipped() and trait.kind == shipped()[trait.name].kind and trait != shipped()[trait.name]:
            raise UndertoneError(
                f"There is a trait {trait.name!r} of the kind {trait.kind!r} in the catalogue already; give yours "
                "another name, or a kind of its own with questions of its own."
            )
    known, name = {**shipped(), **{trait.name: trait for trait in own}}, name_of(given)
    if name not in known:
        raise unknown("trait", name, known)
    trait = known[name]
    kin = tuple(other for other in known.values() if other.kind == trait.kind)
    asks = next((other for other in kin if other.elicitation), None)
    if trait.choices and asks is None:
        return Habit(trait, tuple(other for other in kin if other.choices))
    if asks is None:
        raise UndertoneError(
            f"No model can be asked for the trait {name!r}: give it choices, or elicitation with openings."
        )
    _refuse_unlike(asks, kin)
    return Favourite(trait, kin)


def _refuse_unlike(asks: Trait, kin: Sequence[Trait]) -> None:
    """Favourites of a kind are told apart by their answers to the same questions, which must not name one of them."""
    for trait in kin:
        own = trait.elicitation, trait.openings
        if trait.choices or (any(own) and own != (asks.elicitation, asks.openings)):
            raise UndertoneError(
                f"Traits of the kind {trait.kind!r} are asked for as {asks.name!r} is, and {trait.name!r} would be "
                "otherwise: leave its elicitation, openings and choices out, or give it another kind."
            )
        leaking = None if trait.world else next((q for q in asks.elicitation if trait.gives_away(q)), None)
        if leaking is not None:
            raise UndertoneError(
                f"The trait {trait.name!r} cannot be of the kind {trait.kind!r}, whose question {leaking!r} names it; "
                "give it another kind, with questions of its own."
            )


def _traits(whole: dict[str, Any]) -> list[Trait]:
    tables = whole.get("trait", [whole])
    if not isinstance(tables, list) or not tables:
        raise ValueError("trait is not a list of tables: write [[trait]] above each")
    return [Trait.model_validate(one) for table in tables for one in _each(table)]


def _each(table: Any) -> list[Any]:
    """The tables that one with ``names`` stands for: {name} is filled in, the k-th answer of a choice is the k-th's."""
    if not isinstance(table, dict) or not isinstance(table.get("names"), list):
        return [table]
    names, found = table["names"], []
    if not names:
        raise ValueError("names is an empty list")
    for k, name in enumerate(names):
        one = {key: _named(value, str(name)) for key, value in table.items() if key != "names"} | {"name": name}
        if isinstance(one.get("choices"), list):
            one["choices"] = [_turned(row, k, len(names)) for row in one["choices"]]
        found.append(one)
    return found


def _named(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_named(part, name) for part in value]
    return value.replace("{name}", name) if isinstance(value, str) else value


def _turned(row: Any, k: int, names: int) -> Any:
    """A row of choices with the k-th answer first."""
    if not isinstance(row, list) or len(row) <= names:
        raise ValueError(f"choices: {row!r} needs a question, and an answer for each of the {names} names")
    question, *answers = row
    return [question, answers[k], *answers[:k], *answers[k + 1 :]]
