"""A file of answers that were paid for, by the digest of what was asked, so that they are not asked for again."""

import json
import os
import platform
import sqlite3
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from undertone.errors import UndertoneError

# A write-ahead log waits for the disk once for each answer instead of three times. The tables are made before the first
# request: no answer should be paid for that cannot be kept.
OPENING = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL, "
    "kept REAL)",
    "CREATE TABLE IF NOT EXISTS claims (request TEXT PRIMARY KEY, process TEXT NOT NULL, until REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS refusals (url TEXT, model TEXT, what TEXT, reason TEXT NOT NULL, "
    "PRIMARY KEY (url, model, what))",
    "DELETE FROM claims WHERE request IN (SELECT request FROM answers)",
    "PRAGMA user_version = 1",
)
CLAIM = """
INSERT INTO claims VALUES (:request, :process, :until)
ON CONFLICT (request) DO UPDATE SET process = :process, until = :until WHERE NOT holds(process, until)
RETURNING request
"""
NAMES = """
SELECT DISTINCT json_extract(answer, '$.model') FROM answers
WHERE json_valid(asked) AND json_valid(answer)
AND json_extract(asked, '$.url') = ? AND json_extract(asked, '$.model') = ?
"""
HELD = 60.0
"""Seconds to wait for another program that holds the file."""
MOST_CLAIM = 600.0
"""Most seconds for which a request is claimed. A claim for longer is of a machine whose clock is wrong."""
OWN: set[tuple[Path, str]] = set()
"""Answers that this process kept: the file and the request."""


@dataclass(frozen=True)
class Kept:
    """An answer in the file."""

    answer: dict[str, Any]
    at: float | None
    """When it was kept, in seconds since 1970; None if that is unknown."""
    earlier: bool
    """Whether another process kept it."""


class Answers:
    """The file, for several threads and processes at once. An answer is on the disk before :meth:`keep` returns.

    Only the owner can read the file: nobody knows what is in answers.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it.

        Raises:
            UndertoneError: it cannot be written or is not a file of answers.
        """
        self._path, self._lock = path, Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_private(path)
            self._file = sqlite3.connect(path, timeout=HELD, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self.refusal(error) from None
        self._file.create_function("holds", 2, _holds)
        for statement in OPENING:
            self._run(statement)
        if "kept" not in {column[1] for column in self._run("PRAGMA table_info(answers)")}:  # a file from before
            with suppress(UndertoneError):  # another process may be faster; if not, the first answer is refused
                self._run("ALTER TABLE answers ADD COLUMN kept REAL")

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def find(self, request: str) -> Kept | None:
        """The answer to the request with this digest, or None.

        Raises:
            UndertoneError: the file is damaged.
        """
        found = self._run("SELECT answer, kept FROM answers WHERE request = ?", (request,))
        if not found:
            return None
        try:
            answer = json.loads(found[0][0])
        except (ValueError, TypeError, RecursionError) as error:
            raise self.refusal(error) from None
        if not isinstance(answer, dict):
            raise self.refusal(ValueError("an answer is not an object"))
        at = found[0][1] if isinstance(found[0][1], float) else None
        return Kept(answer, at, earlier=(self._path.resolve(), request) not in OWN)

    def names(self, url: str, model: str) -> set[str]:
        """The names that the service at this address gave to the model in the answers in the file.

        Raises:
            UndertoneError: the file is damaged.
        """
        found = self._run(NAMES, (url, model))
        return {name for (name,) in found if isinstance(name, str) and name}

    def claim(self, request: str, seconds: float) -> bool:
        """Whether a request may be sent now, by the thread that asks. No other may send it, here or in another process,
        for so many seconds, or until :meth:`release` or the end of this process."""
        until = time.time() + min(seconds, MOST_CLAIM)
        mine = {"request": request, "process": _process(os.getpid()), "until": until}
        return bool(self._run(CLAIM, mine))

    def release(self, request: str) -> None:
        """Gives a claim up."""
        self._run("DELETE FROM claims WHERE request = ? AND process = ?", (request, _process(os.getpid())))

    def keep(self, request: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Writes an answer, with what was asked so that people can read the file. An earlier answer is not replaced."""
        values = (request, json.dumps(asked), json.dumps(answer), time.time())
        self._run("INSERT OR IGNORE INTO answers (request, asked, answer, kept) VALUES (?, ?, ?, ?)", values)
        OWN.add((self._path.resolve(), request))

    def refusals(self, url: str, model: str) -> dict[str, str]:
        """What a model's service does not take, with its reasons."""
        return dict(self._run("SELECT what, reason FROM refusals WHERE url = ? AND model = ?", (url, model)))

    def keep_refusal(self, url: str, model: str, what: str, reason: str) -> None:
        """Writes something that a model's service does not take, so that no one tries it again."""
        self._run("INSERT OR IGNORE INTO refusals VALUES (?, ?, ?, ?)", (url, model, what, reason))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._file.close()

    def _run(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._file.execute(statement, values).fetchall()
            except (sqlite3.Error, UnicodeEncodeError) as error:
                raise self.refusal(error) from None

    def refusal(self, error: Exception) -> UndertoneError:
        """The error for a file that cannot be written, or holds what is no answer."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return UndertoneError(
                f"Another program holds {self._path}, so no answer can be kept in it: wait until that program has "
                "ended, or end it, and give the same command again."
            )
        return UndertoneError(
            f"Answers cannot be kept in {self._path} ({error}): free its disk, or move the file away if it is damaged."
        )


def _make_private(path: Path) -> None:
    """Makes the file, and takes it and what belongs to it from everyone but its owner.

    Raises:
        OSError: it cannot be made, or is no regular file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is not a regular file")
    finally:
        os.close(handle)
    for place in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError, PermissionError):  # another's file stays as it is
            place.chmod(place.stat().st_mode & 0o700)


def _holds(process: str, until: float) -> bool:
    """Whether a claim is still held: its time is not over, and its process lives or is another machine's. One
    for longer than any request is void, or a clock that is wrong would hold it for ever."""
    host, number, _ = json.loads(process)
    return 0 < until - time.time() <= MOST_CLAIM and (host != platform.node() or _process(number) == process)


def _process(number: int) -> str:
    """A process of this machine and the moment it started, because numbers are given again; null for one that does not
    exist."""
    try:
        state, *others = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        started = None if state in "ZX" else int(others[18])
    except OSError:  # ended, or a system without /proc
        started = None
        with suppress(OSError):
            os.kill(number, 0)
            started = 0
    return json.dumps([platform.node(), number, started])
