"""Writes files whole or not at all, holds lock files, and turns errors of the disk into one sentence."""

import errno
import fcntl
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from undertone.errors import UndertoneError
from undertone.reading.files import opened

FULL = {errno.ENOSPC, errno.EDQUOT}
PATIENCE = 0.25
"""Seconds to wait for a lock. A process that looks whether it is held holds it for a moment itself."""


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Writes a file as :func:`write_bytes` does."""
    write_bytes(path, text.encode(), private)


def write_bytes(path: Path, content: bytes, private: bool = False) -> None:
    """Writes a file under another name, syncs it and renames it, so that ``path`` is never half written. Only its owner
    can read a ``private`` file.

    Raises:
        UndertoneError: the disk is full, or the file cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")  # two processes may write one file of answers
    try:
        with aside.open("wb") as file:
            if private:
                aside.chmod(0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise refusal(error, path) from error


def sync(path: Path) -> None:
    """Flushes a file, or the list of names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Generator[bool]:
    """Holds the lock file ``path`` and gives True, or gives False if another process holds it.

    The system frees the lock when its process ends, however it ends, so no stale lock is left behind.
    """
    lock = FileLock(path)
    with suppress(Timeout):
        lock.acquire(timeout=PATIENCE)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def is_locked(path: Path) -> bool | None:
    """Whether a process holds the lock file; None if the file cannot be read. Changes nothing on the disk."""
    try:
        with opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def refusal(error: Exception, place: Path) -> UndertoneError:
    """The error for something that could not be written to ``place``."""
    if errno_of(error) in FULL:
        return UndertoneError(
            f"The disk of {place} is full; free some space and give the same command again: finished work is kept."
        )
    why = error.strerror if isinstance(error, OSError) else None
    return UndertoneError(f"Could not write {place}: {why or error}.")


def errno_of(error: Exception) -> int | None:
    """The system's error number. Libraries written in Rust give it only in the text of the error."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None
