"""Takes a JSON file apart into its rows, in bounded memory: a list of them, ``{"data": [...]}``, or one after another
over several lines each. What a row says is not looked at here."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum

from undertone.data.row import LONGEST

DATA = re.compile(rb'\s*\{\s*"data"\s*:\s*\[')
LIST = re.compile(rb"\s*\[")
SPREAD = re.compile(rb"\s*\{[ \t\r]*\n")
"""An object over several lines, as ``json.dumps(..., indent=2)`` and ``jq .`` write it."""
MARK, END_OF_TEXT = re.compile(rb'[\[\]{}",]'), re.compile(rb'["\\]')
REST = 2**16
"""Most bytes beside a list."""


class Layout(Enum):
    """How the rows stand in a JSON file."""

    LIST = LIST
    DATA = DATA
    """In a list that is the first value of an object, called "data"."""
    SPREAD = SPREAD
    """One after another, each over several lines."""


def layout_of(head: bytes) -> Layout | None:
    """Returns the layout of a file that begins so; None if it is none of these, but perhaps a row a line."""
    found = next((layout for layout in Layout if layout.value.match(head)), None)
    return None if found is Layout.DATA and _has_rows_in_lines(head) else found


def _has_rows_in_lines(head: bytes) -> bool:
    """Whether the first line is a row by itself, and not all there is."""
    first, _, rest = head.lstrip().partition(b"\n")
    with suppress(ValueError, RecursionError):
        return bool(rest.strip()) and isinstance(json.loads(first), dict)
    return False


class Values:
    """The rows of a JSON file, as text."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._held = bytearray()
        self.beside: list[str] = []
        """The keys beside "data", once the rows are read."""

    def of(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yields the text of each row. One longer than ``LONGEST`` is cut one byte after it.

        Raises:
            ValueError: the file ends within the list, or something else follows it.
        """
        listed = self._layout is not Layout.SPREAD
        depth, within, escaped, count, ended = 0, False, False, 0, False
        first = next(pieces)
        if listed and (opened := self._layout.value.match(first)):
            first = first[opened.end() :]
        for piece in _with(first, pieces):
            if ended:
                self._hold(piece)
                continue
            start, at = 0, int(escaped)
            escaped = False
            while not ended and (found := (END_OF_TEXT if within else MARK).search(piece, at)):
                at, mark = found.end(), found[0]
                if mark == b"\\":
                    at += 1
                elif mark == b'"':
                    within = not within
                elif mark in b"[{":
                    depth += 1
                elif mark in b"]}" and depth:
                    depth -= 1
                    if depth == 0 and not listed:
                        yield self._taken(piece[start:at])
                        start = at
                elif depth == 0 and listed:
                    text = self._taken(piece[start : at - 1])
                    start, ended = at, mark != b","
                    if text.strip() or not ended or count:
                        count += 1
                        yield text
            escaped = at > len(piece)
            self._hold(piece[start:])
        rest = bytes(self._held)
        if not listed:
            if rest.strip():
                yield rest
        elif not ended:
            raise ValueError("it ends within a list")
        else:
            self.beside = self._after(rest)

    def _hold(self, text: bytes) -> None:
        self._held += text[: max(0, LONGEST + 1 - len(self._held))]

    def _taken(self, text: bytes) -> bytes:
        self._hold(text)
        taken = bytes(self._held)
        self._held.clear()
        return taken

    def _after(self, rest: bytes) -> list[str]:
        """The keys that follow the list, which must make it whole."""
        if self._layout is Layout.LIST:
            if rest.strip():
                raise ValueError("something follows its list")
            return []
        if len(rest) > REST:
            raise ValueError(f"more than {REST:,} bytes follow its list")
        try:
            return [str(key) for key in json.loads(b'{"data": []' + rest) if key != "data"]
        except (ValueError, RecursionError):
            raise ValueError("what follows its list is not JSON") from None


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
