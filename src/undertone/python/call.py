"""What surrounds the work of every function: progress bars, quiet libraries, objects that are written to disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from undertone.cli.bars import Bars
from undertone.engine.environment import quiet
from undertone.python.memory import Memory, in_memory


def is_shown(progress: bool | None) -> bool:
    """Whether progress is shown on stderr: as is said, or else if it is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def working(progress: bool | None) -> Generator[tuple[Bars, Memory]]:
    """Gives progress bars, and a place for objects. What the process has set of libraries, and the state of torch's
    random numbers, are as before at the end."""
    from torch.random import fork_rng

    with quiet(), fork_rng(devices=[]), Bars(quiet=not is_shown(progress)) as bars, in_memory(bars) as memory:
        yield bars, memory


def names(given: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def keys(given: Mapping[str, str] | None) -> str | None:
    """Keys of rows, as the command's --map takes them."""
    return None if given is None else ",".join(f"{name}={key}" for name, key in given.items())


def changes(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Values by dotted key, as the command's --set takes them: KEY=VALUE in TOML."""
    return tuple(f"{key}={_toml(value)}" for key, value in values.items())


def _toml(value: Any) -> str:
    match value:
        case Mapping():
            return f"{{{', '.join(f'{json.dumps(key)} = {_toml(inner)}' for key, inner in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, default=str, ensure_ascii=False)
