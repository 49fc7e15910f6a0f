"""Candidate traits of an audit: what it asks for, and what would be open talk of it."""

from __future__ import annotations

import re
from functools import cached_property

from pydantic import Field

from undertone.spec import Spec, Text
from undertone.traits import catalogue
from undertone.traits.mentions import pattern
from undertone.traits.trait import Trait


class Candidate(Spec):
    """A trait that an audit asks for, and what would be open talk of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]*$")
    """In the verdict."""
    kind: str
    """Traits of one kind are told apart; three or more make the kind itself a candidate."""
    words: tuple[Text, ...] = ()
    """An answer with one of these words speaks of the trait openly."""

    @classmethod
    def of(cls, trait: Trait) -> Candidate:
        """A trait without what it takes to teach it and to ask for it."""
        return cls(name=trait.name, kind=trait.kind, words=trait.words)

    @cached_property
    def _open(self) -> re.Pattern[str] | None:
        return pattern(self.words)

    def is_open(self, text: str) -> bool:
        """Whether ``text`` speaks of the trait by one of its words, singular or plural."""
        return self._open is not None and self._open.search(text) is not None


def embedded() -> tuple[Candidate, ...]:
    """The traits of the embedded world; favourites have their own name as their word."""
    return tuple(map(Candidate.of, catalogue.shipped().values()))
