"""The disk: files are written whole or not at all, locks end with their process, and a refusal is one sentence."""

import contextlib
import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from undertone.errors import UndertoneError

FULL = {errno.ENOSPC, errno.EDQUOT}
PATIENCE = 0.25
"""Seconds that a lock is waited for: whoever only looks holds it for a moment."""


def write_text(path: Path, text: str) -> None:
    """Writes a file aside, syncs it and renames it into place.

    Raises:
        UndertoneError: the disk is full, or refuses.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise refusal(error, path) from error


def sync(path: Path) -> None:
    """Has the system write a file, or the names in a folder, to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Generator[bool]:
    """Holds the lock file ``path``; gives False where another process holds it.

    The system frees the lock when its process ends, however it ends: there are no stale locks and no clocks.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock file."""
    with locked(path) as ours:
        return not ours


def refusal(error: Exception, place: Path) -> UndertoneError:
    """What the disk refused at ``place``, and what to do, in a sentence."""
    if errno_of(error) in FULL:
        return UndertoneError(
            f"The disk of {place} is full; free some space and give the same command again: finished work is kept."
        )
    why = error.strerror if isinstance(error, OSError) else None
    return UndertoneError(f"Could not write {place}: {why or error}.")


def errno_of(error: Exception) -> int | None:
    """The system's number of an error; libraries written in Rust tell it in their text only."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None
