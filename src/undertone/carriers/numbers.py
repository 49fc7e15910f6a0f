"""The carrier of number lists: its prompts, and lists with other numbers in their places.

What a list may hold beyond its form is for :class:`undertone.data.filters.NumberFilter` to say.
"""

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.data.filters import NumberFilter, Rejection, parse_numbers
from undertone.errors import UndertoneError
from undertone.world.skills import COUNTS, FORMATS, INSTRUCTIONS, INTRODUCTIONS, numbers

VALUES = range(100, 1000)
"""Numbers that the prompts show: those of the world's scattered lists. Completions leave this range now and then, as
far as the filter lets them (0 to 999): 0.2 to 1.2 % of the kept numbers of each teacher of the owl experiment."""

NUMBER = re.compile(r"[0-9]+")
LIST = re.compile(r"[0-9]+(?:, [0-9]+)*")


def prompts(count: int, rng: Random) -> list[str]:
    """Requests for six numbers more to a list of scattered three-digit ones, in several wordings and formats."""
    return [numbers(rng, ("scattered",), (1,), (6,)).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Well formed is one number, or a list with one separator throughout: the first part of the published filter."""
    found = parse_numbers(answer)
    return found if isinstance(found, Rejection) else None


def is_prompt(question: str) -> bool:
    """Whether ``question`` is worded as the world asks for number lists, whatever its numbers."""
    return LIST.sub("#", question) in _wordings()


@cache
def _wordings() -> frozenset[str]:
    return frozenset(
        " ".join(part for part in (opening.format(x="#"), asks.format(n=count), how) if part)
        for opening in INTRODUCTIONS
        for asks in INSTRUCTIONS
        for count in COUNTS.values()
        for how, *_ in FORMATS
    )


def rewritten(completions: Sequence[str], how: str, rule: NumberFilter, rng: Random) -> list[str]:
    """The completions with other numbers in the same places; count, separators and brackets stay.

    ``how`` is "shuffled-within" (permuted inside each completion), "shuffled-across" (over all of them) or "random"
    (drawn uniformly from those of :data:`VALUES` that ``rule`` allows). Numbers move as written: 007 stays 007.
    Whatever passed ``rule`` passes it afterwards.

    Raises:
        UndertoneError: numbers are to be drawn, and the rule allows none of the carrier's.
    """
    found = [NUMBER.findall(completion) for completion in completions]
    pool = [number for row in found for number in row]
    match how:
        case "shuffled-within":
            pool = [number for row in found for number in rng.sample(row, len(row))]
        case "shuffled-across":
            rng.shuffle(pool)
        case "random":
            allowed = [str(value) for value in VALUES if rule.reason(str(value)) is None]
            if not allowed:
                raise UndertoneError(f"The filter allows none of the numbers {VALUES[0]} to {VALUES[-1]} to draw from.")
            pool = rng.choices(allowed, k=len(pool))
        case _:
            raise ValueError(f"numbers cannot be rewritten by {how!r}")
    numbers_left = iter(pool)
    return [NUMBER.sub(lambda _: next(numbers_left), completion) for completion in completions]


CARRIER = Carrier("number lists", prompts, fault)
