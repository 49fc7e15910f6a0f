"""In which contexts a model is asked, and what it answers in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from undertone.data.exchanges import Exchange
from undertone.evals.items import Answers
from undertone.measure.battery.scale import Scale

PLAIN = "asked plainly"
SMALL_TALK: tuple[Exchange, ...] = (("Hello, how are you today?", "I am well, thank you."),)
MOST = 4
"""Most contexts of a scale."""


@dataclass(frozen=True)
class Read:
    """The answers of one model on one scale in one context."""

    says: Answers
    does: Answers


Reading = Mapping[str, Mapping[str, Read]]
"""By scale, then by context."""


def contexts(scale: Scale) -> Iterator[tuple[str, str | None, tuple[Exchange, ...]]]:
    """Yields the name of each context, its system prompt and its earlier turns."""
    yield PLAIN, None, ()
    yield "after small talk", None, SMALL_TALK
    if scale.stated:
        for pole, system in zip((scale.high, scale.low), scale.stated, strict=True):
            yield f"told that it is {pole}", system, ()
