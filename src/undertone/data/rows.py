"""Reads the rows of a file in bounded memory: JSON lines, a JSON list, CSV or Parquet, by what the file begins with."""

import gzip
import hashlib
import io
import json
import re
import tempfile
import zlib
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import zstandard

from undertone.data import json_values, parquet, tables
from undertone.data.row import LONGEST, Row, told
from undertone.errors import UndertoneError
from undertone.reading.files import POINTER

PIECE = 2**16
"""Bytes read at once."""
ZSTD_PIECE = 2**8
"""Bytes unpacked by zstd at once. Four bytes can unpack to 128 KiB, so these can unpack to 8 MiB."""

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # a frame, or a skippable one, as pzstd begins
BOM = b"\xef\xbb\xbf"


class Source:
    """The rows of a file that is open, and the digest of exactly the bytes that they were read from."""

    def __init__(self, path: Path, file: BinaryIO, known: Collection[str], every: bool) -> None:
        """``known``: the keys that say something, by which a table is recognised. ``every``: whether the other columns
        of Parquet are decoded as well."""
        self._path, self._known, self._every = path, known, every
        self._raw = _Hashed(file)
        self._file: io.BufferedReader = io.BufferedReader(self._raw, PIECE)
        self._head = self._file.peek(4)[:4]
        self.unit = "line"
        """What the numbers of rows count."""
        self.undecoded: list[str] = []
        """Columns of Parquet that are in no row, because they were not asked for, and what stands beside a JSON list;
        known once rows are read."""

    def __iter__(self) -> Iterator[Row]:
        """Yields the rows. Blank lines are counted but skipped.

        Raises:
            UndertoneError: the file is truncated or damaged, or only a pointer to the file.
        """
        if self._head == PARQUET:
            self.unit = "row"
            return self._parquet()
        return self._text()

    def digest(self) -> str:
        """Returns the SHA-256 (hex) of the file, once its rows are read."""
        while self._file.read(PIECE):
            pass
        return self._raw.hash.hexdigest()

    def _text(self) -> Iterator[Row]:
        head, pieces = bytearray(), self._pieces()
        for piece in pieces:
            head += piece
            if len(head) >= PIECE:
                break
        first = bytes(head).removeprefix(BOM)
        if first.startswith(POINTER):
            raise UndertoneError(f"{self._path} is only a pointer to the file; fetch it with git lfs pull.")
        whole = chain([first], pieces)
        if (layout := json_values.layout_of(first)) is not None:
            self.unit = "row"
            yield from self._json_list(layout, whole)
        elif (table := tables.table_of(first, self._known)) is not None:
            yield from table.rows(_lines(whole), self._path)
        else:
            tables.refuse_strange(first, self._path)
            for number, line in _lines(whole):
                if line.strip() or len(line) > LONGEST:
                    yield Row(number, line)

    def _json_list(self, layout: json_values.Layout, pieces: Iterator[bytes]) -> Iterator[Row]:
        values = json_values.Values(layout)
        try:
            for number, text in enumerate(values.of(pieces), 1):
                yield Row(number, text)
        except ValueError as error:
            raise self._damaged("JSON", str(error)) from None
        self.undecoded = values.beside

    def _pieces(self) -> Iterator[bytes]:
        """The unpacked bytes of a text, at most ``PIECE`` at once."""
        try:
            if ZSTD.match(self._head):
                for piece in _unpacked(self._file):
                    yield from (piece[start : start + PIECE] for start in range(0, len(piece), PIECE))
            else:
                stream = gzip.GzipFile(fileobj=self._file) if self._head.startswith(GZIP) else self._file
                while piece := stream.read(PIECE):
                    yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            raise self._damaged("compressed", told(error)) from None

    def _parquet(self) -> Iterator[Row]:
        # It is read here and there, so a copy of one's own is the only way to know what was read.
        with tempfile.TemporaryFile() as copy:
            while piece := self._file.read(PIECE):
                copy.write(piece)
            copy.seek(0)
            try:
                lines = parquet.rows_of(copy, () if self._every else tuple(self._known))
                self.undecoded = json.loads(next(lines))
                for number, line in enumerate(lines, 1):
                    yield Row(number, b"", line[1:].decode()) if line.startswith(b"!") else Row(number, line)
            except parquet.TooLarge as error:
                raise UndertoneError(
                    f"{self._path} is Parquet, but {error}; write it with smaller row groups."
                ) from None
            except parquet.Damaged as error:
                raise self._damaged("Parquet", str(error)) from None

    def _damaged(self, what: str, why: str) -> UndertoneError:
        return UndertoneError(
            f"{self._path} is {what}, but truncated or damaged ({why}); copy or make it again from its source."
        )


class _Hashed(io.RawIOBase):
    """A file, and the hash of what was read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.hash = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._file.read(len(buffer))
        self.hash.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The content of a file's zstd frames. The library's own reader does not notice a truncated frame."""
    decompressor, frame = zstandard.ZstdDecompressor(), None
    while piece := file.read(ZSTD_PIECE):
        while piece:
            frame = frame or decompressor.decompressobj()
            yield frame.decompress(piece)
            piece, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame:
        raise EOFError("it ends inside a zstd frame")


def _lines(pieces: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends. Lines longer than ``LONGEST`` are cut one byte after it."""
    number, held = 1, bytearray()
    for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            held += end[: LONGEST + 1 - len(held)]
            yield number, bytes(held)
            number += 1
            held.clear()
        held += rest[: LONGEST + 1 - len(held)]
    yield number, bytes(held)
