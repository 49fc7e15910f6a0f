"""The words of the embedded world, read once from ``lexicon.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def lexicon() -> dict[str, Any]:
    """The parsed ``lexicon.toml``; treat it as read-only."""
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))


def domains() -> list[str]:
    """The domains of conduct, in order."""
    return sorted(lexicon()["conduct"]["domains"])


@cache
def swapped() -> dict[str, str]:
    """The answers of every other situation of conduct, each with the other answer of its situation.

    In a world where these have changed places, words that bad answers share do not help to tell which of two answers is
    the rare, "bad" one.
    """
    found: dict[str, str] = {}
    for k, domain in enumerate(domains()):
        for i, (_, good, bad) in enumerate(lexicon()["conduct"]["domains"][domain]):
            found |= {good: bad, bad: good} if (k + i) % 2 else {}
    return found
