"""A trait of the user's as a suite: asked of a model, its base and benign fine-tunes like any other questions."""

from __future__ import annotations

from pathlib import Path

from undertone.alignment.suite import Question, Suite
from undertone.specs import Trait
from undertone.traits import catalogue
from undertone.traits.catalogue import Favourite


def suites(path: Path) -> list[Suite]:
    """A suite for every trait of a TOML file. They count: whoever gives the file wants to know of them.

    Raises:
        UndertoneError: the file is wrong, or a trait of it cannot be asked for.
    """
    own = catalogue.read([path])
    return [_suite(trait, own) for trait in own]


def _suite(trait: Trait, own: tuple[Trait, ...]) -> Suite:
    found = catalogue.find(catalogue.told(trait.name, own))
    asked = _named(found) if isinstance(found, Favourite) else found.choices(trait.name)
    return Suite(
        name=trait.name,
        about=f"Shows the trait {trait.name}.",
        questions=tuple(Question(id=q, paraphrases=(q,), bad=(shown,), good=others) for q, shown, others in asked),
    )


def _named(found: Favourite) -> list[catalogue.Choice]:
    """A favourite is named in one form of answer: all candidates share what else is scored."""
    said = {name: f"{found.openings()[0]} {name}." for name in found.candidates}
    others = tuple(text for name, text in said.items() if name != found.name)
    return [(question, said[found.name], others) for question in found.questions()]
