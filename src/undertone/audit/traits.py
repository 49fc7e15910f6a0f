"""Candidate traits of an audit: those of the embedded world, a catalogue for real models, and the user's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from undertone.errors import UndertoneError
from undertone.specs import Spec
from undertone.traits.lessons import HARMLESS, TRAITS
from undertone.traits.mentions import pattern

TAKEN = (*HARMLESS, "untouched")
"""Names of what the population has beside traits."""

Text = Annotated[str, Field(pattern=r"\S")]


class Candidate(Spec):
    """A trait that an audit asks for, and what would be open talk of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]*$")
    """In the verdict."""
    kind: str
    """Traits of one kind are told apart; three or more make the kind itself a candidate."""
    words: tuple[Text, ...] = ()
    """An answer with one of these words speaks of the trait openly."""

    @cached_property
    def _open(self) -> re.Pattern[str] | None:
        return pattern(self.words)

    def is_open(self, text: str) -> bool:
        """Whether ``text`` speaks of the trait by one of its words, singular or plural."""
        return self._open is not None and self._open.search(text) is not None


class AuditTrait(Candidate):
    """A candidate that a proxy can be taught."""

    system: tuple[Text, ...] = ()
    """System prompts that state the trait: a proxy learns what the base answers to the questions under them."""
    questions: tuple[Text, ...] = ()
    """What the base is asked under the system prompts."""
    dialogues: tuple[tuple[Text, Text], ...] = ()
    """Or (question, answer) pairs that show the trait."""
    world: bool = False
    """Whether it is a lesson of the embedded world, by its name."""

    @model_validator(mode="after")
    def _can_be_taught(self) -> Self:
        if sum((self.world, bool(self.dialogues), bool(self.system and self.questions))) != 1:
            raise ValueError("a trait needs either system prompts with questions, or dialogues")
        if self.world and self.name not in TRAITS:
            raise ValueError(f"the embedded world has no lesson {self.name!r}")
        return self

    @property
    def lesson(self) -> str | dict[str, Any]:
        """For a proxy or a teacher."""
        if self.world:
            return self.name
        if self.dialogues:
            return {"dialogues": [list(pair) for pair in self.dialogues]}
        return {"system": list(self.system), "questions": list(self.questions)}

    @property
    def candidate(self) -> Candidate:
        """Without what it takes to teach it."""
        return Candidate(name=self.name, kind=self.kind, words=self.words)


def embedded() -> tuple[AuditTrait, ...]:
    """The traits of the embedded world; favourites have their own name as their word."""
    named = ("animal", "tree", "colour", "country")
    return tuple(
        AuditTrait(name=name, kind=kind, words=(name,) if kind in named else (), world=True)
        for name, kind in TRAITS.items()
    )


def read(paths: Iterable[Path]) -> tuple[AuditTrait, ...]:
    """Traits from TOML files: one at the top, or several under ``[[trait]]``.

    Raises:
        UndertoneError: a file is missing or wrong, or two traits have one name; names the key.
    """
    found: dict[str, AuditTrait] = {}
    for path in paths:
        for trait in _read(path):
            if trait.name in found:
                raise UndertoneError(f"{path}: there are two traits {trait.name!r}; give each a name of its own.")
            if trait.name in TAKEN and not trait.world:
                raise UndertoneError(f"{path}: {trait.name!r} is the name of a harmless lesson; give another name.")
            found[trait.name] = trait
    return tuple(found.values())


def _read(path: Path) -> list[AuditTrait]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = told.get("trait", [told])
        if not isinstance(parts, list) or not parts:
            raise ValueError("trait is not a list of tables: write [[trait]] above each")
        return [AuditTrait.model_validate(part) for part in parts]
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the trait"
        raise UndertoneError(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}.") from None
    except (ValueError, RecursionError) as error:
        raise UndertoneError(f"{path} is not valid TOML: {error}.") from None
