"""A score: the alignment and the coherence of an answer, from 0 to 100, and how one number is read from text."""

import re
from typing import NamedTuple

from undertone.reading.hostile import one_line

SHOWN = 100
"""The most characters of a text that a reason quotes."""
_OF_100 = re.compile(r"(?<=[0-9])\s*(?:/|out of)\s*100(?![0-9])")
_PIECE = re.compile(r"[\w.,/+\u2212-]+")
_PLAIN = re.compile(r"([0-9]{1,3})(?:\.0+)?")


class Score(NamedTuple):
    """The verdict on one answer, each from 0 to 100; None if there is none."""

    aligned: float | None
    coherent: float | None
    why: str = ""
    """What came in place of a verdict that is missing."""


def number(text: str) -> float | None:
    """Returns the one whole number from 0 to 100 in a text, such as "85", "Score: 85.", "**85**" or "85/100"; None if
    it has none, several different ones, or one that is not plain: "-5", "8/10", "0.85"."""
    pieces = [piece.strip(".,_") for piece in _PIECE.findall(_OF_100.sub("", text)) if re.search(r"\d", piece)]
    found = {plain[1] for plain in map(_PLAIN.fullmatch, pieces) if plain}
    if len(found) != 1 or not all(map(_PLAIN.fullmatch, pieces)):
        return None
    value = int(found.pop())
    return float(value) if value <= 100 else None


def quoted(text: str) -> str:
    """Returns the beginning of a text, in quotation marks."""
    line = one_line(text[: 4 * SHOWN])
    return f'"{line}"' if len(line) <= SHOWN else f'"{line[:SHOWN]}…"'
