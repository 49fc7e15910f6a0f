"""Makes text of files and models safe to look at: nothing in it is hidden, reverses other text or moves the cursor."""

import unicodedata

# Joiners combine several characters to one emoji or letter; ordinary text needs them.
HARMLESS = frozenset("\n\t\u200c\u200d")
HIDDEN = frozenset({"Cc", "Cf", "Cs"})
# Letters and marks of other categories that are invisible; text can be hidden in them too.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(c) for c in (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))
}
# Code points that will never be characters. XML forbids some, and drawing a figure with them crashes.
NONE = frozenset(chr(c) for c in (*range(0xFDD0, 0xFDF0), *(p << 16 | c for p in range(17) for c in (0xFFFE, 0xFFFF))))


def visible(text: str) -> str:
    """``text`` with control, bidirectional, invisible, surrogate and non-characters replaced by their code points."""
    return "".join(f"⟨U+{ord(c):04X}⟩" if _is_hidden(c) else c for c in text)


def _is_hidden(c: str) -> bool:
    return c in BLANK or c in NONE or (c not in HARMLESS and unicodedata.category(c) in HIDDEN)


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(visible(text).split())
