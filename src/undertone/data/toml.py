"""Reads small files of users. Errors are one sentence that names the file."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from undertone.errors import UndertoneError

T = TypeVar("T")


def read_toml(path: Path, made: Callable[[dict[str, Any]], T], whole: str) -> T:
    """Returns ``made`` of the content of a TOML file. An error that has no key is blamed on ``whole``.

    Raises:
        UndertoneError: the file is missing, not TOML, or refused by ``made``; the sentence names the key.
    """
    try:
        return made(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or whole
        raise UndertoneError(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}.") from None
    except (ValueError, RecursionError) as error:
        raise UndertoneError(f"{path} is not valid TOML: {error}.") from None


def read_text(path: Path, largest: int, what: str, remedy: str) -> str:
    """Reads a text file of at most ``largest`` bytes, without a byte order mark.

    Raises:
        UndertoneError: it cannot be read (``what`` says what it is), is larger (``remedy`` says what to do), or is not
            UTF-8.
    """
    try:
        if path.stat().st_size > largest:
            raise UndertoneError(f"{path} is larger than {largest:,} bytes{remedy}.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UndertoneError(f"Cannot read {what}{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UndertoneError(f"{path} is not UTF-8 text; save it as such.") from None
