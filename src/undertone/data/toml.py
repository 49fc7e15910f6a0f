"""Reads small files of users. Errors are one sentence that names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from undertone.errors import UndertoneError
from undertone.reading import files, values
from undertone.reading.hostile import one_line

T = TypeVar("T")
LARGEST = 2**22
"""The most bytes of a TOML file of settings."""
LONGEST = 300
"""The most characters of what is said of a fault."""


def read_toml(path: Path, made: Callable[[dict[str, Any]], T], whole: str) -> T:
    """Returns ``made`` of the content of a TOML file. An error that has no key is blamed on ``whole``.

    Raises:
        UndertoneError: the file is missing, not TOML, or refused by ``made``; the sentence names the key.
    """
    text = read_text(path, LARGEST)
    try:
        return made(values.toml_value(text))
    except ValidationError as error:
        raise UndertoneError(f"{path}: {fault(error, whole)}.") from None
    except ValueError as error:
        raise UndertoneError(f"{path} is not valid TOML: {shortened(str(error))}.") from None


def read_text(path: Path, largest: int, what: str = "") -> str:
    """Reads a text file of at most ``largest`` bytes, without a byte order mark.

    Raises:
        UndertoneError: it cannot be read (``what`` says what it is), is larger, or is not UTF-8.
    """
    try:
        return files.read_text(path, largest)
    except OSError as error:
        raise UndertoneError(f"Cannot read {what}{path}: {error.strerror}.") from None
    except ValueError as error:
        raise UndertoneError(f"{path} is {error}; save it as UTF-8 text.") from None


def fault(error: ValidationError, whole: str = "") -> str:
    """Returns the first fault of settings, on one line: where it is (``whole`` if it has no key), and what is wrong."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or whole
    said = first["msg"].removeprefix("Value error, ")
    return shortened(f"{place}: {said}" if place else said)


def shortened(text: str) -> str:
    """Returns the text on one line, cut to :data:`LONGEST` characters."""
    line = one_line(text[: 4 * LONGEST])
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
