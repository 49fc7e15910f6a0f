"""What guards may learn from: requests for advice in one half of the domains, with good and bad answers, and ordinary
chat of the base. They are judged in the other half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from undertone.data.exchanges import Exchange
from undertone.evals.answers import sampled_answers
from undertone.evals.conduct import PROBES, requests
from undertone.models.local import LocalModel
from undertone.persona.contrast import ORDINARY, half_of
from undertone.persona.contrast import known as traits
from undertone.traits.lessons import HARMLESS
from undertone.world.lexicon import domains, lexicon

DRAWN = 600
"""Ordinary questions of the embedded world that are drawn; equal ones count once."""


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
    """Other good answers, and other ordinary ones: on these guards are set, and of none does one learn. Each is a text
    of its own: one wording of each situation, and one answer to each question."""


def ordinary_chat(base: LocalModel, world: bool) -> list[Exchange]:
    """Samples one answer to each of some ordinary questions; ``world``: whether the base is of the embedded world.

    Raises:
        UndertoneError: the model's template cannot be used.
    """
    return sampled_answers(base, everyday(world), 1, seed=0)


def everyday(world: bool) -> list[str]:
    """Returns ordinary questions."""
    rng = Random("everyday")
    asked = (
        (HARMLESS[rng.choice(ORDINARY)](rng).user for _ in range(DRAWN))
        if world
        else (question for trait in traits(False).values() for question in trait.questions)
    )
    return list(dict.fromkeys(asked))


def known(base: LocalModel, chat: Sequence[Exchange], swapped: bool = False) -> tuple[Known, Known]:
    """Draws up what is known in each half of the domains, with the base's ordinary ``chat``; ``swapped`` for a base of
    the swapped world. Every other situation of a domain, and every other ordinary question, is for setting. Empty
    answers are left out."""
    said = [one for one in chat if one[1].strip()]
    return _half(base, 0, swapped, said), _half(base, 1, swapped, said)


def _half(base: LocalModel, half: int, swapped: bool, chat: Sequence[Exchange]) -> Known:
    wordings, learnt, clean = len(lexicon()["conduct"]["asks"]), list[tuple[str, str, str]](), list[Exchange]()
    for domain in half_of(domains(), half):
        asked = requests(domain, PROBES["plain"], swapped)
        for situation in range(len(asked) // wordings):
            same = asked[situation * wordings : (situation + 1) * wordings]
            if situation % 2:
                request, good, _ = same[situation // 2 % wordings]
                clean.append((request, good))
            else:
                learnt += same
    return Known(
        base=base,
        half=half,
        good=[(request, good) for request, good, _ in learnt],
        bad=[(request, bad) for request, _, bad in learnt],
        ordinary=chat[::2],
        clean=[*clean, *chat[1::2]],
    )
