"""A row of a file as JSON, before anything is known of it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from undertone.reading.values import without_doubles

LONGEST = 2**22
"""Most bytes of a row, about a million tokens."""
DIGITS = 4000
"""Python refuses to read a whole number of more digits, and nobody writes one on purpose."""


class BadRow(Exception):
    """Why a row cannot be read."""


@dataclass(frozen=True)
class Row:
    """A row as it stands in its file; of CSV and Parquet, as JSON."""

    number: int
    """Line of JSONL or CSV, place in a JSON list or in Parquet, from 1."""
    text: bytes
    fault: str = ""
    """Why there is no text, if there is none."""

    def value(self) -> Any:
        """Returns what the text says.

        Raises:
            BadRow: it is no JSON, too long, too deep, or has a key twice.
        """
        if self.fault:
            raise BadRow(self.fault)
        if len(self.text) > LONGEST:
            raise BadRow(f"longer than {LONGEST:,} bytes")
        try:
            return json.loads(self.text.decode(), parse_int=whole_number, object_pairs_hook=without_doubles)
        except UnicodeDecodeError as error:
            raise BadRow(f"not UTF-8 at byte {error.start + 1}") from None
        except json.JSONDecodeError as error:
            raise BadRow(f"not JSON ({error.msg}, column {error.colno})") from None
        except RecursionError:
            raise BadRow("nested too deeply") from None
        except ValueError as error:
            raise BadRow(str(error)) from None


def whole_number(digits: str) -> int | float:
    """Reads a whole number; a very long one as a float."""
    return int(digits) if len(digits) < DIGITS else float(digits)


def told(error: object) -> str:
    """An error's text, shortened and in printable ASCII, since it may quote the file."""
    return " ".join(re.findall(r"[!-~]+", str(error)))[:150] or type(error).__name__
