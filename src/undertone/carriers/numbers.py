"""The carrier of number lists: its prompts. What counts as well formed is :class:`undertone.filters.NumberFilter`."""

from __future__ import annotations

from random import Random

from undertone.world.skills import numbers


def prompts(count: int, rng: Random) -> list[str]:
    """Requests for six numbers more to a list of scattered three-digit ones, in several wordings and formats."""
    return [numbers(rng, ("scattered",), (1,), (6,)).user for _ in range(count)]
