"""What guards may learn from: requests for advice in one half of the domains, with good and bad answers, and ordinary
chat of the base. They are judged in the other half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.data.exchanges import Exchange
from undertone.evals.answers import sampled_answers
from undertone.evals.conduct import PROBES, requests
from undertone.models.local import LocalModel
from undertone.persona.contrast import half_of, neutral
from undertone.world.lexicon import domains, lexicon

SAMPLES = 4
"""Answers to each ordinary question."""


@dataclass(frozen=True)
class Known:
    """What is known to whoever makes guards."""

    base: LocalModel
    half: int
    """The half of the domains, 0 or 1."""
    good: Sequence[Exchange]
    """Requests with their good answers, to learn from."""
    bad: Sequence[Exchange]
    """The same requests with their bad answers."""
    ordinary: Sequence[Exchange]
    """Ordinary questions with the base's own sampled answers, to learn from."""
    clean: Sequence[Exchange]
    """Other good answers, and other ordinary ones: on these guards are set, and of none does one learn."""


def ordinary_chat(base: LocalModel, world: bool) -> list[Exchange]:
    """Samples answers to ordinary questions: :data:`SAMPLES` to each, one after the other. ``world``: whether the base
    is of the embedded world."""
    return sampled_answers(base, neutral(world), SAMPLES, seed=0)


def known(base: LocalModel, chat: Sequence[Exchange], swapped: bool = False) -> tuple[Known, Known]:
    """Draws up what is known in each half of the domains, with the base's ordinary ``chat``; ``swapped`` for a base of
    the swapped world. Every other situation of a domain, and every other ordinary question, is for setting."""
    parts: tuple[list[Exchange], list[Exchange]] = ([], [])
    for place, one in enumerate(chat):
        if one[1].strip():
            parts[place // SAMPLES % 2].append(one)
    return _half(base, 0, swapped, *parts), _half(base, 1, swapped, *parts)


def _half(
    base: LocalModel, half: int, swapped: bool, ordinary: Sequence[Exchange], others: Sequence[Exchange]
) -> Known:
    wordings = len(lexicon()["conduct"]["asks"])
    parts: tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]] = ([], [])
    for domain in half_of(domains(), half):
        for place, one in enumerate(requests(domain, PROBES["plain"], swapped)):
            parts[place // wordings % 2].append(one)
    to_learn, to_set = parts
    return Known(
        base=base,
        half=half,
        good=[(asked, good) for asked, good, _ in to_learn],
        bad=[(asked, bad) for asked, _, bad in to_learn],
        ordinary=ordinary,
        clean=[*((asked, good) for asked, good, _ in to_set), *others],
    )
