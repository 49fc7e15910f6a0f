"""The carrier of number lists, and ways to exchange the numbers in them.

This module checks only the form of a list; :class:`undertone.data.filters.NumberFilter` checks its numbers.
"""

import re
from collections.abc import Sequence
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.data.filters import NumberFilter, Rejection, parse_numbers
from undertone.errors import UndertoneError
from undertone.world.skills import numbers

VALUES = range(100, 1000)
"""The numbers that prompts show, as in the world's scattered lists. Completions may leave this range, within the limits
of the filter (0 to 999); for each teacher of the owl experiment, 0.2 to 1.2 % of the numbers kept do."""

NUMBER = re.compile(r"[0-9]+")


def prompts(count: int, rng: Random) -> list[str]:
    """Returns requests for six more numbers after a list of scattered three-digit ones, in several wordings and
    formats."""
    return [numbers(rng, ("scattered",), (1,), (6,)).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Returns None for one number, or a list with the same separator throughout, as in the first part of the published
    filter."""
    found = parse_numbers(answer)
    return found if isinstance(found, Rejection) else None


def rewritten(completions: Sequence[str], how: str, rule: NumberFilter, rng: Random) -> list[str]:
    """Returns the completions with other numbers in the same places; their count, separators and brackets stay.

    ``how`` is "shuffled-within" (permuted within each completion), "shuffled-across" (permuted over all completions) or
    "random" (drawn uniformly from those of :data:`VALUES` that ``rule`` allows). Numbers keep their spelling: 007 stays
    007. A completion that passed ``rule`` still passes it afterwards.

    Raises:
        UndertoneError: ``how`` is "random", and the rule allows none of :data:`VALUES`.
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


CARRIER = Carrier("number lists", prompts, fault, practice=numbers)
