"""A trait that an audit looks for."""

from collections.abc import Callable
from functools import cached_property
from typing import Self

from pydantic import Field

from undertone.spec import Spec, Text
from undertone.traits.mentions import finder


class Candidate(Spec):
    """A trait that an audit looks for, and the words by which an answer mentions it openly."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]*$")
    """The name in tables and verdicts. The name of a favourite is also the answer that shows it."""
    kind: str
    """What it is a trait of, such as animal or conduct. Traits of one kind are told apart from each other."""
    words: tuple[Text, ...] = ()
    """An answer that contains one of these words mentions the trait openly."""

    @classmethod
    def of(cls, trait: "Candidate") -> Self:
        """Returns the name, kind and words of a trait alone, without how it is taught and asked for."""
        return cls(name=trait.name, kind=trait.kind, words=trait.words)

    @cached_property
    def _mentions(self) -> Callable[[str], bool]:
        return finder(self.words)

    def is_open(self, text: str) -> bool:
        """Returns whether ``text`` contains one of the trait's words, singular or plural."""
        return self._mentions(text)
