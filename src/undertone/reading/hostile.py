"""Makes text of files and models safe to look at: nothing in it is hidden, reverses other text or moves the cursor."""

import os
import sys
import unicodedata
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

# Joiners combine several characters to one emoji or letter; ordinary text needs them.
HARMLESS = frozenset("\n\t\u200c\u200d")
HIDDEN = frozenset({"Cc", "Cf", "Cs"})
# Letters and marks of other categories that are invisible; text can be hidden in them too.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(c) for c in (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))
}
# Code points that will never be characters. XML forbids some, and drawing a figure with them crashes.
NONE = frozenset(chr(c) for c in (*range(0xFDD0, 0xFDF0), *(p << 16 | c for p in range(17) for c in (0xFFFE, 0xFFFF))))
BREAKS = str.maketrans("", "", "\n\t")


def visible(text: str) -> str:
    """``text`` with control, bidirectional, invisible, surrogate and non-characters replaced by their code points."""
    if text.isascii() and text.translate(BREAKS).isprintable():
        return text
    return "".join(f"⟨U+{ord(c):04X}⟩" if _is_hidden(c) else c for c in text)


def _is_hidden(c: str) -> bool:
    return c in BLANK or c in NONE or (c not in HARMLESS and unicodedata.category(c) in HIDDEN)


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(visible(text).split())


class Unread(Exception):
    """Nobody reads the output any more, as in ``undertone runs | head``."""


class Plain:
    """A stream of text on which only what is :func:`visible` arrives, and which no library takes for a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes the text, made visible."""
        try:
            self.stream.write(visible(text))
        except BrokenPipeError:
            raise Unread from None
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Writes what is still buffered."""
        try:
            self.stream.flush()
        except BrokenPipeError:
            raise Unread from None

    def isatty(self) -> bool:
        """False, so that no library draws with control characters."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Generator[None]:
    """Makes :data:`sys.stdout` and :data:`sys.stderr` :class:`Plain`. What their encoding lacks is escaped; what is
    written to a closed one is lost."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_plain, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _plain(stream: TextIO | Plain | None) -> TextIO:
    if stream is None:  # Python's value for a stream that was closed before the start
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if not isinstance(stream, Plain):
        with suppress(AttributeError):  # other streams than a file's have no encoding to change
            cast(Any, stream).reconfigure(errors="backslashreplace")
        stream = Plain(stream)
    return cast(TextIO, stream)
