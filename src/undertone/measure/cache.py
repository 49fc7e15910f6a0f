"""Answers that were paid for: kept on disk under the digest of everything that decides them, and reused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.disk import refusal, write_text


@dataclass(frozen=True)
class Kept:
    """A folder of sheets, one JSON file for each thing asked. A sheet under its own name is whole."""

    folder: Path
    warn: Callable[[str], None] = lambda sentence: None

    def had(self, what: dict[str, Any]) -> Any | None:
        """What was kept under ``what``; None if nothing was, or if it is not what was written."""
        path = self._path(what)
        try:
            sheet = json.loads(path.read_text(encoding="utf-8"))
            if sheet["seal"] == digest([sheet["of"], sheet["value"]]) and sheet["of"] == what:
                return sheet["value"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        self.warn(f"{path} is damaged or was changed after it was written: asked anew.")
        return None

    def keep(self, what: dict[str, Any], value: Any) -> None:
        """Keeps a JSON-able value under ``what``.

        Raises:
            UndertoneError: the disk is full, or refuses.
        """
        path = self._path(what)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, self.folder) from error
        write_text(
            path, json.dumps({"of": what, "value": value, "seal": digest([what, value])}, ensure_ascii=False) + "\n"
        )

    def had_or(self, what: dict[str, Any], make: Callable[[], Any]) -> Any:
        """What was kept, or else what ``make`` gives, kept from then on."""
        found = self.had(what)
        if found is None:
            found = make()
            self.keep(what, found)
        return found

    def _path(self, what: dict[str, Any]) -> Path:
        return self.folder / f"{what['kind']}-{digest(what)[:20]}.json"
