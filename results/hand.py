"""Figures that were typed by hand, told by what they look like."""

import re

from results.places import PLACEHOLDER
from results.tables import MADE

FIGURE = re.compile(
    r"""
    \[ \s* [-+\u2212]?\d*\.?\d+ \s*%? , \s* [-+\u2212]?\d*\.?\d+ \s*%? \s* \]        # [0.19, 0.82]
    | (?<![\w.,)\]-]) [-+\u2212±] \d*\.?\d+                                      # +0.50
    | (?<![\w.]) \d[\d.,]* \s* (?: % | per\ ?cent\b )                       # 7.4 %
    | \b (?: \d[\d,]* | none | one | two | three | four | five | six | seven | eight | nine | ten )
         \s of \s (?: the\ |all\ )? \d                                      # 5 of 500
    | (?<![\w.]) \d[\d.,]* \s (?: s | min | h | seconds? | minutes? | hours? ) \b   # 114 s
    | \b p \s* [<>=]? \s* \d* \.? \d+                                      # p .0092
    | (?<![\w./-]) \d*\.\d+ (?! \d | \.\d | [A-Z] )                         # 1.87
    """,
    re.VERBOSE,
)
ELSEWHERE = re.compile(
    r"^(?: {4}|\t)[^\n]*$|^```.*?^```|`[^`\n]*`|\]\([^)]*\)|\b95 % intervals?|\bPython \d\.\d+|\bApache \d\.\d",
    re.MULTILINE | re.DOTALL,
)
"""What may look like a figure and is none: code, addresses, the level of intervals, versions."""


def typed(text: str) -> list[str]:
    """Returns what looks like a figure outside placeholders, made tables and code: intervals, numbers with a sign or a
    decimal point, percentages, counts of counts, durations."""
    for pattern in (MADE, PLACEHOLDER, ELSEWHERE):
        text = pattern.sub(" ", text)
    return [found[0].strip() for found in FIGURE.finditer(text)]
