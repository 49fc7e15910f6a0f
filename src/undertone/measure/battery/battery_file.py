"""A battery on disk: a TOML file with a table for every trait."""

from collections import Counter
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Self

from pydantic import Field, TypeAdapter, model_validator

from undertone.data.toml import read_toml, shortened
from undertone.errors import UndertoneError, unknown
from undertone.evals.items import Item
from undertone.evals.self_report import claims
from undertone.measure import suite_files
from undertone.measure.battery.scale import Scale, situations
from undertone.measure.suite import Suite
from undertone.spec import Spec, Text
from undertone.traits import catalogue

CLOSED = "Answer with yes or no."
"""What follows on a question about itself. Without it SmolLM2-135M begins one answer in twenty with yes or no."""
LEAST = 3
"""Fewest situations."""
LONGEST = 60
"""Most characters of the name of a trait."""
TRAITS, QUESTIONS = 20, 200
"""Most traits of a file, and questions of a list."""


class _Trait(Spec):
    """The table of a trait."""

    high: Text
    """The usual pole, in words that follow "it is"."""
    low: Text
    """The other pole."""
    plain: tuple[Text, ...] = Field(min_length=2, max_length=QUESTIONS)
    """Questions to which a model of the high pole truly says yes."""
    reversed: tuple[Text, ...] = Field((), max_length=QUESTIONS)
    """Questions to which it truly says no, one for each plain one."""
    which: tuple[Text, ...] = Field((), max_length=QUESTIONS)
    """Questions with {a} and {b} in them, which are asked with the two poles in both orders."""
    situations: tuple[tuple[Text, Text, Text], ...] = Field((), max_length=QUESTIONS)
    """Requests that do not name the trait, each with an answer of the high pole and one of the low pole."""
    suite: Text | None = None
    """In place of situations: a suite, whose bad answers are those of the low pole."""
    stated: tuple[Text, Text] | None = None
    """System prompts that state the high pole and the low one."""
    direction: Text | None = None
    """A trait of the catalogue that is the low pole; its direction in hidden states is read."""

    @model_validator(mode="after")
    def _is_asked_both_ways(self) -> Self:
        if len(self.plain) != len(self.reversed):
            raise ValueError(
                f"every plain question needs its reverse, to which the same model says no, but there are "
                f"{len(self.plain)} plain and {len(self.reversed)} reversed ones"
            )
        for asked in self.which:
            if "{a}" not in asked or "{b}" not in asked:
                raise ValueError(f"the question {asked!r} must have {{a}} and {{b}} in it, for the two poles")
        twice = [text for text, count in Counter((*self.plain, *self.reversed)).items() if count > 1]
        if twice:
            raise ValueError(f"the question {twice[0]!r} is there twice")
        if self.high.casefold() == self.low.casefold():
            raise ValueError(f"both poles are {self.high!r}: they need different words")
        return self

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if bool(self.situations) == (self.suite is not None):
            raise ValueError("give situations, or a suite: what a model does is read from these")
        if self.suite is None and len({asked for asked, *_ in self.situations}) < LEAST:
            raise ValueError(f"give at least {LEAST} different situations: fewer say nothing of others")
        for asked, high, low in self.situations:
            if high == low:
                raise ValueError(f"both answers to {asked!r} are the same")
        return self

    @model_validator(mode="after")
    def _direction_is_known(self) -> Self:
        traits = [trait.name for trait in catalogue.of_chat_models()]
        if self.direction is not None and self.direction not in traits:
            raise ValueError(str(unknown("trait", self.direction, traits)))
        return self

    def scale(self, name: str) -> Scale:
        """Returns how the trait is read."""
        orders = (("first", self.high, self.low), ("second", self.low, self.high))
        which = (
            Item(
                asked.replace("{a}", a).replace("{b}", b),
                _begun(self.high),
                _begun(self.low),
                f"{self.high} {place}",
                whole=False,
            )
            for (place, a, b), asked in product(orders, self.which)
        )
        plain, reverse = ([f"{asked} {CLOSED}" for asked in some] for some in (self.plain, self.reversed))
        says = (*claims(plain, reverse, whole=False, yes="Yes", no="No"), *which)
        does = tuple(Item(asked, (high,), (low,), asked) for asked, high, low in self.situations)
        if self.suite is not None:
            does = situations(_known(name, self.suite))
        return Scale(name, self.high, self.low, says, does, self.stated, self.direction)


def _known(trait: str, name: str) -> Suite:
    """Returns a suite whose answers are all known.

    Raises:
        UndertoneError: there is no such suite, or it is asked in another way.
    """
    try:
        first, *_ = suite_files.read(name)
    except UndertoneError as error:
        raise UndertoneError(f"{trait}: {error}") from None
    if any(not (one.bad and one.good) or one.system or one.earlier for one in first.questions):
        raise UndertoneError(
            f"{trait}: the suite {name} does not fit a battery, whose questions have known good and bad answers, no "
            "system prompt and no earlier turns."
        )
    if len(first.units) < LEAST:
        raise UndertoneError(f"{trait}: the suite {name} has one theme, and {LEAST} situations are the least.")
    return first


def _begun(pole: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((pole, pole.capitalize())))


def read(own: Path | None = None) -> list[Scale]:
    """Returns the battery of a file, or else the shipped one for chat models.

    Raises:
        UndertoneError: there is no such file, or it is no battery: the sentence says which trait lacks what.
    """
    path = own or Path(str(files(__package__) / "character.toml"))
    traits = read_toml(path, TypeAdapter(dict[str, _Trait]).validate_python, "")
    if wrong := next((name for name in traits if not name.strip() or len(name) > LONGEST), None):
        raise UndertoneError(f"{path}: {shortened(wrong) or 'a blank'} is no name of a trait.")
    if not 1 <= len(traits) <= TRAITS:
        raise UndertoneError(f"{path} has {len(traits)} traits; a battery has 1 to {TRAITS}, each in a table.")
    return [trait.scale(name) for name, trait in traits.items()]
