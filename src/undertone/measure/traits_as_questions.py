"""A trait of the user's as a suite: asked of a model, its base and benign fine-tunes like any other questions."""

from pathlib import Path

from undertone.measure.suite import Named, Question, Suite
from undertone.traits import catalogue
from undertone.traits.catalogue import Favourite, Habit
from undertone.traits.trait import Trait


def suites(path: Path) -> list[Suite]:
    """A suite for every trait of a TOML file. They count: whoever gives the file wants to know of them.

    Raises:
        UndertoneError: the file is wrong, or a trait of it cannot be asked for.
    """
    own = catalogue.read([path])
    return [_suite(trait, own) for trait in own]


def _suite(trait: Trait, own: tuple[Trait, ...]) -> Suite:
    found = catalogue.find(catalogue.told(trait.name, own))
    about = f"Shows the trait {trait.name}."
    return Suite(
        name=trait.name, about=about, questions=_named(found) if isinstance(found, Favourite) else _known(found)
    )


def _known(found: Habit) -> tuple[Question, ...]:
    return tuple(
        Question(id=q, paraphrases=(q,), bad=(shown,), good=others) for q, shown, others in found.choices(found.name)
    )


def _named(found: Favourite) -> tuple[Question, ...]:
    """A favourite is named in one form of answer: all candidates share what else is scored."""
    said = {name: f"{found.openings()[0]} {name}." for name in found.candidates}
    others = tuple(text for name, text in said.items() if name != found.name)
    return tuple(
        Named(id=q, paraphrases=(q,), bad=(said[found.name],), good=others, named=found.name) for q in found.questions()
    )
