"""Answers that were paid for, on disk under the digest of what was asked, so that nobody asks for them again."""

import json
import sqlite3
from pathlib import Path
from threading import Lock
from typing import Any

from undertone.errors import UndertoneError


class Answers:
    """A file of answers, for several threads and processes. Every answer is on the disk before it is used."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it.

        Raises:
            UndertoneError: it cannot be written or is no such file.
        """
        self._path, self._lock = path, Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
            # A log beside the file: one wait for the disk for each answer in place of three.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            # Written now: better no answer is paid for than one that cannot be kept.
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS answers"
                " (request TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL)"
            )
            self._file.execute("PRAGMA user_version = 1")
        except (OSError, sqlite3.Error) as error:
            raise self._refusal(error) from None

    def find(self, request: str) -> dict[str, Any] | None:
        """The answer to a request, by its digest."""
        with self._lock:
            try:
                row = self._file.execute("SELECT answer FROM answers WHERE request = ?", (request,)).fetchone()
            except sqlite3.Error as error:
                raise self._refusal(error) from None
        return None if row is None else json.loads(row[0])

    def keep(self, request: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Writes an answer, with what was asked so that people can read the file. The first one stays."""
        with self._lock:
            try:
                self._file.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (request, json.dumps(asked), json.dumps(answer))
                )
            except sqlite3.Error as error:
                raise self._refusal(error) from None

    def __len__(self) -> int:
        """How many answers are kept."""
        with self._lock:
            return int(self._file.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._file.close()

    def _refusal(self, error: Exception) -> UndertoneError:
        return UndertoneError(
            f"Answers cannot be kept in {self._path} ({error}): free its disk, or move the file away if it is damaged."
        )
