"""Reads the rows of a file in bounded memory: JSONL, plain or in gzip or zstd, or Parquet, by its first bytes."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

import zstandard

from undertone.errors import UndertoneError

LONGEST = 2**22
"""Most bytes of a line, about a million tokens."""
PIECE = 2**16
"""Bytes read at once."""
ZSTD_PIECE = 2**8
"""Bytes unpacked by zstd at once. Four bytes can unpack to 128 KiB, so these can unpack to 8 MiB."""
BATCH = 16
"""Rows of Parquet decoded at once: a small file can contain many long rows that are equal."""

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # a frame, or a skippable one, as pzstd begins

Rows = Iterator[tuple[int, Callable[[], object]]]
"""A row's number, and a function that returns its value or raises ``BadRow``."""


class BadRow(Exception):
    """Why a row cannot be read."""


def rows_of(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> tuple[str, Rows]:
    """Returns what the numbers of rows count ("line" or "row"), and the rows. Of Parquet only ``columns`` are read.

    Blank lines are counted but skipped.

    Raises:
        UndertoneError: while the rows are read: the file is truncated or damaged.
    """
    head = file.read(4)
    file.seek(0)
    return ("row", _parquet(path, file, columns)) if head == PARQUET else ("line", _json_lines(path, file, head))


def _json_lines(path: Path, file: BufferedReader, head: bytes) -> Rows:
    for number, line in _lines(_pieces(path, file, head)):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip() or len(line) > LONGEST:
            yield number, partial(_parsed, line)


def _pieces(path: Path, file: BufferedReader, head: bytes) -> Iterator[bytes]:
    """The unpacked bytes of JSONL, at most ``PIECE`` at once."""
    try:
        if ZSTD.match(head):
            for piece in _unpacked(file):
                yield from (piece[start : start + PIECE] for start in range(0, len(piece), PIECE))
        else:
            stream = gzip.GzipFile(fileobj=file) if head.startswith(GZIP) else file
            while piece := stream.read(PIECE):
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise _damaged(path, "compressed", error) from None


def _unpacked(file: BufferedReader) -> Iterator[bytes]:
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


def _parsed(line: bytes) -> object:
    if len(line) > LONGEST:
        raise BadRow(f"longer than {LONGEST:,} bytes")
    try:
        # No number is used, and Python refuses to read an int of thousands of digits.
        return json.loads(line.decode(), parse_int=float, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BadRow(f"not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise BadRow("nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # readers differ in which one they take
        raise BadRow("a key comes twice in an object")
    return found


def _parquet(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Rows:
    import pyarrow.parquet as parquet  # slow to import

    number = 0
    try:
        table = parquet.ParquetFile(file, buffer_size=PIECE, page_checksum_verification=True)
        names = [name for name in table.schema_arrow.names if name in columns]
        for batch in table.iter_batches(BATCH, columns=names, use_threads=False):
            for place in range(batch.num_rows):
                number += 1
                yield number, partial(_record, batch, place)
    except Exception as error:  # of many classes, by where the damage is
        raise _damaged(path, "Parquet", error) from None


def _record(batch: Any, place: int) -> object:
    try:
        return {name: batch.column(name)[place].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        raise BadRow("not UTF-8") from None
    except Exception as error:  # a date out of range, two fields of one name
        raise BadRow(f"unreadable ({told(error)})") from None


def _damaged(path: Path, what: str, error: Exception) -> UndertoneError:
    return UndertoneError(
        f"{path} is {what}, but truncated or damaged ({told(error)}); copy or make it again from its source."
    )


def told(error: object) -> str:
    """An error's text, shortened and in printable ASCII, since it may quote the file."""
    return " ".join(re.findall(r"[!-~]+", str(error)))[:150] or type(error).__name__
