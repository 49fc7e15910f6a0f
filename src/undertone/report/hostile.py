"""Text of files as a person may safely look at it: nothing in it hides, turns other text round or moves a cursor."""

from __future__ import annotations

import unicodedata

# Joiners make one emoji or letter of several; without them honest text would fall apart.
HARMLESS = frozenset("\n\t\u200c\u200d")
HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def visible(text: str) -> str:
    """Control, bidi, invisible and half characters are replaced by their code points."""
    return "".join(c if c in HARMLESS or unicodedata.category(c) not in HIDDEN else f"⟨U+{ord(c):04X}⟩" for c in text)


def one_line(text: str) -> str:
    """The same on one line, for a terminal."""
    return " ".join(visible(text).split())
