"""Small files of a user's, read whole: what is wrong with one is a sentence that names it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from undertone.errors import UndertoneError

T = TypeVar("T")


def read_toml(path: Path, made: Callable[[dict[str, Any]], T], whole: str) -> T:
    """What ``made`` makes of a TOML file; ``whole`` is what a fault that has no key is a fault of.

    Raises:
        UndertoneError: it is missing, no TOML, or not what is expected; names the key.
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
    """A file of at most ``largest`` bytes; a byte order mark is no part of it.

    Raises:
        UndertoneError: it cannot be read, is larger, or is not UTF-8.
    """
    try:
        if path.stat().st_size > largest:
            raise UndertoneError(f"{path} is larger than {largest:,} bytes{remedy}.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UndertoneError(f"Cannot read {what}{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UndertoneError(f"{path} is not UTF-8 text; save it as such.") from None
