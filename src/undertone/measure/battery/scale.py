"""One trait of a battery: what a model is asked about itself, and what it is asked that does not name the trait."""

from dataclasses import dataclass

from undertone.evals.items import Item
from undertone.measure.suite import Suite


@dataclass(frozen=True)
class Scale:
    """How a trait is read. Its high pole is the usual one: careful, honest."""

    name: str
    high: str
    """The high pole in words that follow "it is": "careful"."""
    low: str
    says: tuple[Item, ...]
    """Questions about itself. Their forms are keys, and orders of two words."""
    does: tuple[Item, ...]
    """Situations that do not name the trait. Their forms are what they are about, such as domains of advice."""
    stated: tuple[str, str] | None = None
    """System prompts that state the high pole and the low one."""
    direction: str | None = None
    """A trait whose direction in hidden states is read."""
    to_high: bool = False
    """Whether that direction leads to the high pole. Most traits are named by the low one."""


def situations(suite: Suite, shows_high: bool = False) -> tuple[Item, ...]:
    """Returns the questions of a suite as situations. Its bad answers are those of the low pole, or of the high one if
    it ``shows_high``, as a suite about a favourite does."""
    asked = [(question, text) for question in suite.questions for text in question.paraphrases]
    return tuple(
        Item(text, *((one.bad, one.good) if shows_high else (one.good, one.bad)), one.unit) for one, text in asked
    )
