"""Text of files as a person may safely look at it: nothing in it hides, turns other text round or moves a cursor."""

import unicodedata

# Joiners make one emoji or letter of several; without them honest text would fall apart.
HARMLESS = frozenset("\n\t\u200c\u200d")
HIDDEN = frozenset({"Cc", "Cf", "Cs"})
# Letters and marks that are drawn as nothing: of other categories, and text can be hidden in them too.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(c) for c in (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))
}
# Unicode says that these will never be characters; XML has no place for some, and what draws figures ends with them.
NONE = frozenset(chr(c) for c in (*range(0xFDD0, 0xFDF0), *(p << 16 | c for p in range(17) for c in (0xFFFE, 0xFFFF))))


def visible(text: str) -> str:
    """Control, bidi, invisible and half characters, and what is no character, are replaced by their code points."""
    return "".join(f"⟨U+{ord(c):04X}⟩" if _is_hidden(c) else c for c in text)


def _is_hidden(c: str) -> bool:
    return c in BLANK or c in NONE or (c not in HARMLESS and unicodedata.category(c) in HIDDEN)


def one_line(text: str) -> str:
    """The same on one line, for a terminal."""
    return " ".join(visible(text).split())
