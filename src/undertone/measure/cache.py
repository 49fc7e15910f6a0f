"""A cache on disk for answers and scores: each is stored under the digest of everything that it depends on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.disk import refusal, write_text


@dataclass(frozen=True)
class Cache:
    """A folder with one JSON file for each entry."""

    folder: Path
    warn: Callable[[str], None] = lambda sentence: None

    def get(self, what: dict[str, Any]) -> Any | None:
        """Returns the value stored under ``what``; None if there is none, or if its file was changed."""
        path = self._path(what)
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            if entry["seal"] == digest([entry["of"], entry["value"]]) and entry["of"] == what:
                return entry["value"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        self.warn(f"{path} is damaged or was changed, so its question was asked again.")
        return None

    def put(self, what: dict[str, Any], value: Any) -> None:
        """Stores a JSON-able value under ``what``.

        Raises:
            UndertoneError: the disk is full, or the file cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, self.folder) from error
        entry = {"of": what, "value": value, "seal": digest([what, value])}
        write_text(self._path(what), json.dumps(entry, ensure_ascii=False) + "\n")

    def get_or(self, what: dict[str, Any], make: Callable[[], Any]) -> Any:
        """Returns the value stored under ``what``; if there is none, calls ``make`` and stores what it returns."""
        found = self.get(what)
        if found is None:
            found = make()
            self.put(what, found)
        return found

    def _path(self, what: dict[str, Any]) -> Path:
        return self.folder / f"{what['kind']}-{digest(what)[:20]}.json"
