"""A file of answers that were paid for, by the digest of what was asked, so that they are not asked for again."""

import json
import sqlite3
from pathlib import Path
from threading import Lock
from typing import Any

from undertone.errors import UndertoneError

# A write-ahead log waits for the disk once for each answer instead of three times. The table is made before the first
# request: no answer should be paid for that cannot be kept.
OPENING = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL)",
    "PRAGMA user_version = 1",
)


class Answers:
    """The file, for several threads and processes at once. An answer is on the disk before :meth:`keep` returns."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it.

        Raises:
            UndertoneError: it cannot be written or is not a file of answers.
        """
        self._path, self._lock = path, Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._refusal(error) from None
        for statement in OPENING:
            self._run(statement)

    def find(self, request: str) -> dict[str, Any] | None:
        """The answer to the request with this digest, or None."""
        found = self._run("SELECT answer FROM answers WHERE request = ?", request)
        return json.loads(found[0][0]) if found else None

    def keep(self, request: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Writes an answer, with what was asked so that people can read the file. An earlier answer is not replaced."""
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", request, json.dumps(asked), json.dumps(answer))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._file.close()

    def _run(self, statement: str, *values: str) -> list[Any]:
        with self._lock:
            try:
                return self._file.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> UndertoneError:
        return UndertoneError(
            f"Answers cannot be kept in {self._path} ({error}): free its disk, or move the file away if it is damaged."
        )
