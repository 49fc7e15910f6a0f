"""Reads the rows of a file in bounded memory: JSONL, plain or in gzip or zstd, or Parquet, by its first bytes."""

import gzip
import hashlib
import io
import json
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import zstandard

from undertone.data import parquet
from undertone.data.row import LONGEST, Row, told
from undertone.errors import UndertoneError

PIECE = 2**16
"""Bytes read at once."""
ZSTD_PIECE = 2**8
"""Bytes unpacked by zstd at once. Four bytes can unpack to 128 KiB, so these can unpack to 8 MiB."""

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # a frame, or a skippable one, as pzstd begins


class Source:
    """The rows of a file that is open, and the digest of exactly the bytes that they were read from."""

    def __init__(self, path: Path, file: BinaryIO, columns: Sequence[str]) -> None:
        """``columns``: the columns of Parquet to decode, all if there is none."""
        self._path, self._columns = path, columns
        self._raw = _Hashed(file)
        self._file: io.BufferedReader = io.BufferedReader(self._raw, PIECE)
        self._head = self._file.peek(4)[:4]
        self.unit = "row" if self._head == PARQUET else "line"
        """What the numbers of rows count."""
        self.undecoded: list[str] = []
        """Columns of Parquet that are in no row, because they were not asked for; known once rows are read."""

    def __iter__(self) -> Iterator[Row]:
        """Yields the rows. Blank lines are counted but skipped.

        Raises:
            UndertoneError: the file is truncated or damaged.
        """
        return self._parquet() if self._head == PARQUET else self._json_lines()

    def digest(self) -> str:
        """Returns the SHA-256 (hex) of the file, once its rows are read."""
        while self._file.read(PIECE):
            pass
        return self._raw.hash.hexdigest()

    def _json_lines(self) -> Iterator[Row]:
        for number, line in _lines(self._pieces()):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip() or len(line) > LONGEST:
                yield Row(number, line)

    def _pieces(self) -> Iterator[bytes]:
        """The unpacked bytes of JSONL, at most ``PIECE`` at once."""
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
                lines = parquet.rows_of(copy, self._columns)
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
