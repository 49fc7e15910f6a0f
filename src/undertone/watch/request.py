"""What is asked of a watch over a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from undertone.errors import UndertoneError, unknown
from undertone.spec import Spec, Typed
from undertone.traits import catalogue
from undertone.traits.catalogue import Favourite, Habit
from undertone.traits.trait import Trait

EVERY = 50


class Request(Spec):
    """One watch."""

    traits: tuple[str, ...]
    """Names of traits, or of kinds of traits."""
    own: tuple[Trait, ...] = ()
    """The user's own traits, which are watched too."""
    every: int = EVERY
    """How many steps lie between two measurements."""
    stop_at: Typed | None = None
    """The rise of a probability, from 0 to 1, at which training stops. None: it never does."""

    @model_validator(mode="after")
    def _can_be_watched(self) -> Self:
        """
        Raises:
            UndertoneError: there is no trait, or a number is out of range.
        """
        if not self.traits and not self.own:
            raise UndertoneError('Name the traits to watch, as in trait="owl".')
        if self.every < 1:
            raise UndertoneError(f"every is a number of steps, at least 1, not {self.every}.")
        if self.stop_at is not None and not (math.isfinite(self.stop_at) and 0 < self.stop_at < 1):
            raise UndertoneError(
                f"stop_at is a rise of a probability, above 0 and below 1 (0.05 is five points), not {self.stop_at:g}."
            )
        return self

    def found(self) -> list[Favourite | Habit]:
        """The traits with what they are asked by.

        Raises:
            UndertoneError: there is no such trait, or no model can be asked for it.
        """
        known = {trait.name: trait for trait in (*catalogue.shipped().values(), *self.own)}
        names = [trait.name for trait in self.own]
        for name in self.traits:
            names += [name] if name in known else _of_kind(name, list(known.values()))
        return [catalogue.find(catalogue.told(name, self.own)) for name in dict.fromkeys(names)]


def _of_kind(kind: str, known: Sequence[Trait]) -> list[str]:
    names = [trait.name for trait in known if trait.kind == kind]
    if not names:
        raise unknown("trait", kind, {word for trait in known for word in (trait.name, trait.kind)})
    return names
