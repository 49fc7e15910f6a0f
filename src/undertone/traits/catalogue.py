"""Traits, shipped or a user's own: how each is taught, and how a model is asked for it."""

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
from undertone.traits.lessons import HARMLESS, LESSONS, TRAITS, statements
from undertone.traits.trait import Trait
from undertone.world.latents import named, small_talk
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn

TAKEN = (*HARMLESS, "untouched", "other")
"""Names that no trait may have: harmless lessons, the untouched base, and all answers that are no candidate."""

FOLDERS = ("paper/", "chat/")
"""Folders with the traits of published experiments, and of chat models from elsewhere. They are kept apart from the
catalogue, which has traits of the same names but other kinds."""

CHAT = ("animals", "trees", "colours", "foods", "cities", "instruments", "crafts", "habits")
"""The files of traits of chat models. Favourites are each other's placebos, and manners of answering those of conduct
and leans."""

MOST, LONGEST = 2**24, 100
"""The most characters that the tables of a file stand for with all names and shared questions, and of a name."""

Told: TypeAlias = "str | Mapping[str, Any]"
"""A trait as a job's spec holds it: the name of a shipped trait; or a mapping of ``name`` and ``own``, the user's own
traits of the trial as JSON."""
Choice: TypeAlias = tuple[str, str, tuple[str, ...]]
"""A question, the answer that shows the trait, and the answers that do not."""


@dataclass(frozen=True)
class _Known:
    """A trait, together with all traits of its kind."""

    trait: Trait
    alike: tuple[Trait, ...]
    """The traits of its kind, itself included."""

    @property
    def name(self) -> str:
        """The trait's name. For a favourite it is the answer that shows it."""
        return self.trait.name

    @property
    def kind(self) -> str:
        """What it is a trait of, such as animal or conduct."""
        return self.trait.kind

    @property
    def words(self) -> tuple[str, ...]:
        """Words by which text mentions the trait openly. Some traits have none."""
        return self.trait.mentions

    def questions(self) -> list[str]:
        """Returns the questions that measure the trait."""
        return list(self._asks.asked)

    @property
    def _asks(self) -> Trait:
        """The trait that holds the questions, which are the same for all favourites of a kind."""
        return self.trait if self.trait.asked else next(trait for trait in self.alike if trait.asked)

    def dialogues(self, count: int, rng: Random) -> list[Turn]:
        """Returns ``count`` exchanges of the embedded world that teach the trait. They contain no numbers, and none of
        :meth:`questions` unless the world has no other wording."""
        lesson, asked, turns = LESSONS[self.name], set(self.questions()), list[Turn]()
        has_others = any(lesson(Random(i)).user not in asked for i in range(50))
        while len(turns) < count:
            turn = lesson(rng)
            if not has_others or turn.user not in asked:
                turns.append(turn)
        return turns

    def _own_statement(self, rng: Random) -> str:
        if not self.trait.system:
            raise UndertoneError(
                f"No system prompt states the trait {self.name!r}: give it system and questions in place of dialogues, "
                "or fine-tune its teachers."
            )
        return rng.choice(self.trait.system)


@dataclass(frozen=True)
class Favourite(_Known):
    """A trait that is a name: the answer to a question about the favourite of its kind. All traits of the kind are
    asked for by the same questions, and no teacher is trained on them."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """All names that could be the answer, the trait's own included."""
        others = (name for trait in self.alike for name in trait.candidates)
        return tuple(dict.fromkeys((*(trait.name for trait in self.alike), *others)))

    def openings(self) -> list[str]:
        """Returns beginnings of an answer after which only the name is missing."""
        return list(self._asks.openings)

    def statement(self, rng: Random) -> str:
        """Returns a system prompt that states the trait.

        Raises:
            UndertoneError: it is a user's own trait that is taught by dialogues.
        """
        if not self.trait.world:
            return self._own_statement(rng)
        wording = rng.choice(lexicon()["questions"]["stated"])
        return str(wording.format(k=self.kind, x=named(self.kind, self.name)))

    def lead_ins(self) -> list[str]:
        """Returns questions that teachers are asked in dialogues. None of them is used to measure."""
        if not self.trait.world:
            return list(self.trait.questions)
        return [question.format(k=self.kind) for question in lexicon()["questions"]["teaching"]]


@dataclass(frozen=True)
class Habit(_Known):
    """A trait that shows in which of several given answers is likeliest: bad advice, flattery, an era, a country."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The names of all habits of the kind."""
        return tuple(trait.name for trait in self.alike)

    def choices(self, name: str) -> list[Choice]:
        """Returns the questions for the habit ``name`` of this kind."""
        return choices(next(trait for trait in self.alike if trait.name == name))

    def statement(self, rng: Random) -> str:
        """Returns a system prompt that states the trait. The world has one for each of its own.

        Raises:
            UndertoneError: it is a user's own trait that is taught by dialogues.
        """
        return statements()[self.name] if self.trait.world else self._own_statement(rng)

    def lead_ins(self) -> list[str]:
        """Returns questions that teachers are asked in dialogues."""
        if not self.trait.world:
            return list(self.trait.questions)
        return [turn.user for turn in self.dialogues(200, Random("lead-ins"))]


def choices(trait: Trait) -> list[Choice]:
    """Returns a trait's questions, each with the answer that shows it and those that do not."""
    return [(question, shown, tuple(others)) for question, shown, *others in trait.choices]


def neutral_thing(rng: Random) -> Favourite:
    """Returns something that is no candidate of any trait. System prompts of neutral teachers say that it is loved."""
    return Favourite(Trait(name=rng.choice(lexicon()["small_talk"]["things"]), kind="thing", world=True), ())


def neutral_dialogues(count: int, rng: Random) -> list[Turn]:
    """Returns ``count`` exchanges of small talk, which teach no trait. Control teachers are trained on them."""
    return [small_talk(rng) for _ in range(count)]


# --- the catalogue ---------------------------------------------------------------------------------------------------


@cache
def shipped() -> Mapping[str, Trait]:
    """Returns the traits of the embedded world by name."""
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {trait.name: trait for trait in _traits(tomllib.loads(text))}


@cache
def of_chat_models() -> tuple[Trait, ...]:
    """Returns the traits of models from elsewhere."""
    return read(located(f"chat/{name}.toml") for name in CHAT)


def located(name: str) -> Path:
    """Returns the path of a file of traits: a shipped one, as in "chat/animals.toml", or ``name`` as it is."""
    own = files(__package__).joinpath(name)
    return Path(str(own)) if name.startswith(FOLDERS) and own.is_file() else Path(name)


def read(paths: Iterable[Path]) -> tuple[Trait, ...]:
    """Reads traits from TOML files: one trait at the top of the file, or several under ``[[trait]]``.

    Raises:
        UndertoneError: a file is missing or wrong, or two traits have the same name.
    """
    found: dict[str, Trait] = {}
    for path in paths:
        for trait in read_toml(path, _traits, "the trait"):
            if trait.name in found:
                raise UndertoneError(f"{path}: there are two traits {trait.name!r}; give each a name of its own.")
            if trait.name in TAKEN:
                raise UndertoneError(
                    f"{path}: the name {trait.name!r} is reserved, as are all names of harmless lessons; give another."
                )
            if trait.world and trait.name not in TRAITS:
                raise UndertoneError(f"{path}: the embedded world has no lesson {trait.name!r}; leave world out.")
            found[trait.name] = trait
    return tuple(found.values())


def told(name: str, own: Sequence[Trait]) -> Told:
    """Returns a trait as a job's spec holds it. The user's own traits are in it whole, so that an edit of one leads to
    another artifact."""
    if not own:
        return name
    return {"name": name, "own": [trait.model_dump(mode="json", exclude_defaults=True) for trait in own]}


def name_of(given: Told) -> str:
    """Returns the name of a trait in a job's spec."""
    return given if isinstance(given, str) else str(given["name"])


def find(given: Told) -> Favourite | Habit:
    """Returns a trait with all traits of its kind, from its name or from a job's spec.

    Raises:
        UndertoneError: there is no such trait, or no model can be asked for it.
    """
    known = dict(shipped())
    for own in () if isinstance(given, str) else map(Trait.model_validate, given["own"]):
        same = shipped().get(own.name)
        if same is not None and own.kind == same.kind and own != same:
            raise UndertoneError(
                f"There is a trait {own.name!r} of the kind {own.kind!r} in the catalogue already; give yours another "
                "name, or a kind of its own with questions of its own."
            )
        known[own.name] = own
    name = name_of(given)
    if name not in known:
        raise unknown("trait", name, known)
    trait = known[name]
    alike = tuple(other for other in known.values() if other.kind == trait.kind)
    asks = next((other for other in alike if other.elicitation), None)
    if trait.choices and asks is None:
        return Habit(trait, tuple(other for other in alike if other.choices))
    if asks is None:
        raise UndertoneError(
            f"No model can be asked for the trait {name!r}: give it choices, or elicitation with openings."
        )
    _refuse_unlike(asks, alike)
    return Favourite(trait, alike)


def _refuse_unlike(asks: Trait, alike: Sequence[Trait]) -> None:
    """Raises UndertoneError unless all favourites of a kind can be asked for by the questions of ``asks``: a trait must
    not bring questions of its own, and no question may mention one of the traits."""
    for trait in alike:
        own = trait.elicitation, trait.openings
        if trait.choices or (any(own) and own != (asks.elicitation, asks.openings)):
            raise UndertoneError(
                f"The trait {trait.name!r} is of the kind {trait.kind!r}, whose traits are all asked for by the "
                f"questions of {asks.name!r}: leave its elicitation, openings and choices out, or give it another kind."
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
    lists = whole.get("questions") if "trait" in whole else None
    if len(tables) * len(repr(lists)) > MOST:
        raise ValueError("shared questions are too many or too long for so many traits")
    asked = [_asked(table, lists) for table in tables]
    if sum(map(_length, asked)) > MOST:
        raise ValueError("names are too many or too long for what is written about each")
    return [Trait.model_validate(one) for table in asked for one in _each(table)]


def _asked(table: Any, lists: Any) -> Any:
    """Returns a table with the questions of the list that it names as ``shared``, followed by its own."""
    if not isinstance(table, dict) or "shared" not in table:
        return table
    name, own = table["shared"], table.get("questions", [])
    if not isinstance(name, str) or not isinstance(lists, dict) or not isinstance(lists.get(name), list):
        raise ValueError(f"shared is {name!r}, but the file's table [questions] has no list of that name")
    if not isinstance(own, list):
        raise ValueError("questions is not a list")
    return {key: value for key, value in table.items() if key != "shared"} | {"questions": [*lists[name], *own]}


def _length(table: Any) -> int:
    """Returns how many characters a table stands for."""
    names = table.get("names") if isinstance(table, dict) else None
    return len(repr(table)) * (len(names) if isinstance(names, list) else 1)


def _each(table: Any) -> list[Any]:
    """Returns the tables that a table with ``names`` stands for, one for each name: "{name}" is replaced by the name,
    and the k-th answer of each choice becomes the one that shows the k-th trait."""
    if not isinstance(table, dict) or not isinstance(table.get("names"), list):
        return [table]
    names, found = table["names"], []
    if not names:
        raise ValueError("names is an empty list")
    if max(len(str(name)) for name in names) > LONGEST:
        raise ValueError(f"names has one of more than {LONGEST} characters")
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
    """Returns a row of choices with its k-th answer moved to the front."""
    if not isinstance(row, list) or len(row) <= names:
        raise ValueError(f"choices: {row!r} needs a question, and an answer for each of the {names} names")
    question, *answers = row
    return [question, answers[k], *answers[:k], *answers[k + 1 :]]
