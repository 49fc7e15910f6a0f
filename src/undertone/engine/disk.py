"""The disk: files written whole or not at all, locks that end with their process, and one sentence for a refusal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from undertone.errors import UndertoneError

FULL = {errno.ENOSPC, errno.EDQUOT}
TRIES = 5


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
def locked(path: Path, exclusive: bool) -> Generator[bool]:
    """Holds the lock file ``path``, waiting for a shared lock; gives False where an exclusive one is not free.

    The system frees the lock when its process ends, however it ends: there are no stale locks and no clocks.
    """
    with path.open("a") as file:
        if exclusive:
            yield _free(file.fileno())
        else:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield True


def _free(file: int) -> bool:
    for _ in range(TRIES):  # whoever only looks holds a lock for a moment
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file exclusively."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


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
