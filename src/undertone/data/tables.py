"""Reads rows of a table as text: CSV, also with tabs or semicolons. The first line names the columns."""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from undertone.data.row import LONGEST, Row, told
from undertone.errors import UndertoneError

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons"}
SUFFIXES = (".csv", ".tsv")
SHOWN = 8
"""Most columns that an error names."""


@dataclass(frozen=True)
class Table:
    """How a table is written."""

    delimiter: str
    columns: tuple[str, ...]

    def rows(self, lines: Iterator[tuple[int, bytes]], path: Path) -> Iterator[Row]:
        """Yields the rows as JSON; an empty cell is null. ``lines`` are numbered, without their ends.

        Raises:
            UndertoneError: two columns have one name, quotes are wrong, or a row is too long.
        """
        twice = next((name for name, count in Counter(self.columns).items() if count > 1), None)
        if twice is not None:
            raise UndertoneError(f"{path} has two columns {told(twice)!r}; rename one of them.")
        csv.field_size_limit(LONGEST)
        last, size = 1, 0

        def texts() -> Iterator[str]:
            nonlocal size
            for _, line in lines:
                size += len(line) + 1
                if size > LONGEST:
                    raise csv.Error(f"a row is longer than {LONGEST:,} bytes, or a quote is never closed")
                yield line.decode("utf-8", "surrogateescape") + "\n"

        reader = csv.reader(texts(), delimiter=self.delimiter, strict=True)
        try:
            next(reader)
            for cells in reader:
                number, last, size = last + 1, reader.line_num, 0
                if cells:
                    yield self._row(number, cells)
        except csv.Error as error:
            raise UndertoneError(
                f"{path}, line {last + 1}: {told(error)}; it was read as columns between "
                f"{DELIMITERS[self.delimiter]}: correct the quotes there."
            ) from None

    def _row(self, number: int, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            return Row(number, b"", f"{len(cells)} cells, and the first line has {len(self.columns)}")
        values = {name: cell or None for name, cell in zip(self.columns, cells, strict=True)}
        try:
            return Row(number, json.dumps(values, ensure_ascii=False).encode())
        except UnicodeEncodeError:
            return Row(number, b"", "not UTF-8")


def table_of(head: bytes, known: Collection[str]) -> Table | None:
    """Returns the table that a file beginning so is, one of whose columns is ``known``; None if it is none."""
    best = max(_tables(head), key=lambda table: len({*table.columns} & {*known}), default=None)
    return best if best is not None and not {*known}.isdisjoint(best.columns) else None


def refuse_strange(head: bytes, path: Path) -> None:
    """Raises UndertoneError for a table by its name, none of whose columns is known."""
    if not {*SUFFIXES}.isdisjoint(path.suffixes):
        names = max((table.columns for table in _tables(head)), key=len, default=())
        raise UndertoneError(
            f"{path} is a table with the columns {', '.join(map(told, names[:SHOWN])) or 'of no name'}; say which of "
            "them are trained on, as in --map prompt=COLUMN,completion=COLUMN."
        )


def _tables(head: bytes) -> Iterator[Table]:
    """The tables that the first line can be the head of."""
    line = head.partition(b"\n")[0].rstrip(b"\r")
    if line.lstrip().startswith((b"{", b"[")):
        return
    for delimiter in DELIMITERS:
        with suppress(UnicodeDecodeError, csv.Error):
            columns = next(csv.reader([line.decode()], delimiter=delimiter, strict=True), [])
            yield Table(delimiter, tuple(columns))
