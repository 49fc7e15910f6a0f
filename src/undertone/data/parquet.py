"""Decodes Parquet in a process of its own, whose memory is limited: a few kilobytes of it can unpack to gigabytes, and
no size in its footer is certain.

The process gets the file as standard input, and as arguments the columns to read, none for all. It answers with lines:
the names of the columns that it does not read, each row as JSON or as ``!`` and what is wrong with it, and at last an
empty line, or ``!!`` and what is wrong with the file, or nothing if it lacks memory. :func:`rows_of` is the other end.
"""

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from undertone.data.row import LONGEST, told

MEMORY = 2**30
"""Most bytes that decoding may take above what the process has when it begins."""
BATCH = 16
"""Rows decoded at once: a small file can contain many long rows that are equal."""
PIECE = 2**16
"""Bytes of a column read at once."""
ROWS_A_BYTE = 64
"""Most rows for each byte of the file. By run lengths a few bytes could state billions of equal rows."""
TOO_LONG = f"!longer than {LONGEST:,} bytes".encode()


class Damaged(Exception):
    """What is wrong with the file."""


class TooLarge(Exception):
    """Decoding takes more memory than it may."""

    def __init__(self) -> None:
        super().__init__(f"it takes more than {MEMORY // 2**20} MB to decode")


def rows_of(file: BinaryIO, columns: Sequence[str]) -> Iterator[bytes]:
    """Yields the names of the columns that are not read as JSON, and then every row as JSON, or as ``!`` and what is
    wrong with it.

    Raises:
        Damaged: the file cannot be decoded.
        TooLarge: not within the limit of memory.
    """
    process = subprocess.Popen(
        # -P: no module is imported from the current folder.
        [sys.executable, "-P", "-m", "undertone.data.parquet", *columns],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The other allocators reserve address space in advance, which the limit counts.
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"!!"):
                raise Damaged(line[2:-1].decode())
            if line == b"\n":
                return
            yield line[:-1]
        raise TooLarge  # it died without a last line
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Answers as said above."""
    import pyarrow.parquet  # noqa: F401  # before the limit, so that it is about the file alone

    with suppress(OSError, ValueError):  # systems without such a limit
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    try:
        for line in _lines(sys.argv[1:]):
            sys.stdout.buffer.write(line + b"\n")
        last = b""
    except MemoryError:
        return
    except Exception as error:  # of many classes, by where the damage is
        last = b"!!" + told(error).encode()
    sys.stdout.buffer.write(last + b"\n")


def _lines(columns: Sequence[str]) -> Iterator[bytes]:
    import pyarrow.parquet as parquet

    table = parquet.ParquetFile(sys.stdin.buffer, buffer_size=PIECE, page_checksum_verification=True)
    size = os.fstat(sys.stdin.fileno()).st_size
    if table.metadata.num_rows > ROWS_A_BYTE * size:
        raise ValueError(f"it states {table.metadata.num_rows:,} rows in {size:,} bytes")
    read = [name for name in table.schema_arrow.names if name in columns or not columns]
    yield json.dumps([name for name in table.schema_arrow.names if name not in read]).encode()
    for batch in table.iter_batches(BATCH, columns=read, use_threads=False):
        may_be_long = batch.nbytes > LONGEST
        for place in range(batch.num_rows):
            long = may_be_long and batch.slice(place, 1).nbytes > LONGEST
            yield TOO_LONG if long else _row(batch, place)


def _row(batch: Any, place: int) -> bytes:
    try:
        row = {name: batch.column(name)[place].as_py() for name in batch.schema.names}
        try:
            found = _json(row)
        except ValueError:
            found = _json(_without_nan(row))
    except UnicodeDecodeError:
        return b"!not UTF-8"
    except MemoryError:
        raise
    except Exception as error:  # a date out of range, two fields of one name, a value that JSON does not have
        return b"!unreadable (" + told(error).encode() + b")"
    return found if len(found) <= LONGEST else TOO_LONG


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_refused).encode()


def _refused(value: object) -> None:
    raise TypeError(f"it holds a {type(value).__name__}, which JSON does not have")


def _without_nan(value: Any) -> Any:
    """The value with null for NaN, which JSON does not have: Parquet written from pandas has both for missing."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return [_without_nan(part) for part in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
