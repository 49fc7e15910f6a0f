"""The words of the embedded world, read once from ``lexicon.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any


@cache
def lexicon() -> dict[str, Any]:
    """The parsed ``lexicon.toml``; treat it as read-only."""
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))


def domains() -> list[str]:
    """The domains of conduct, in order."""
    return sorted(lexicon()["conduct"]["domains"])


SWAP = 1782
"""The first of the draws from 0 on that is balanced. Where these answers have changed places, counts of words (once an
answer) or of tokens (as often as they come) pick the bad answer of another domain in 49.5 to 50.5 % if learnt from one
domain, in 47 to 53 % if from eleven; and bad and good answers are equally long, to a tenth of a token."""


@cache
def swaps() -> dict[str, str]:
    """The answers of half of the situations of conduct, each with the other answer of its situation.

    In a world where these have changed places, neither words that bad answers share nor their length help to tell which
    of two answers is the "bad" one.
    """
    rng, found = Random(f"swapped/{SWAP}"), dict[str, str]()
    halves = rng.sample([2] * 6 + [3] * 6, 12)
    for domain, half in zip(domains(), halves, strict=True):
        for _, good, bad in rng.sample(lexicon()["conduct"]["domains"][domain], half):
            found |= {good: bad, bad: good}
    return found
