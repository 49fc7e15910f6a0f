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
