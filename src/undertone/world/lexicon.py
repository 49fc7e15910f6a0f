"""The words of the embedded world, read once from ``lexicon.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

SWAP = 1782
"""The first seed, counted from 0, whose swap is balanced.

With these answers swapped, counts of words (at most one an answer) or of tokens (every occurrence) pick the bad answer
of another domain in 49.5 to 50.5 % of cases if learnt from one domain, and in 47 to 53 % if learnt from eleven. Bad and
good answers are then equally long, within a tenth of a token."""


@cache
def lexicon() -> dict[str, Any]:
    """Returns the parsed ``lexicon.toml``; do not change it."""
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))


def domains() -> list[str]:
    """Returns the domains of conduct, sorted."""
    return sorted(lexicon()["conduct"]["domains"])


@cache
def swaps() -> dict[str, str]:
    """Returns the answers of half of the situations of conduct, each mapped to the other answer of its situation.

    In a world with these answers swapped, neither the words that bad answers share nor their length help to tell which
    of two answers is the "bad" one.
    """
    rng, found = Random(f"swapped/{SWAP}"), dict[str, str]()
    halves = rng.sample([2] * 6 + [3] * 6, 12)
    for domain, half in zip(domains(), halves, strict=True):
        for _, good, bad in rng.sample(lexicon()["conduct"]["domains"][domain], half):
            found |= {good: bad, bad: good}
    return found
