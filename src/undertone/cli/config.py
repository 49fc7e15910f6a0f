"""Settings of a project: ``undertone.toml``, or ``[tool.undertone]`` of ``pyproject.toml``, in the current folder.

Each verb has a table, whose keys are the names of its options: ``[audit]``, ``[lineage.compare]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.cli.terminal import console, tell
from undertone.errors import UndertoneError, unknown
from undertone.reading.hostile import one_line

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import Argument, ArgumentCollection

OWN, SHARED = Path("undertone.toml"), Path("pyproject.toml")


def from_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Gives a command the options that its command line lacks, and says on stderr which. Cyclopts calls it before every
    command.

    Raises:
        UndertoneError: the file cannot be read, names something that does not exist, or there are two files.
    """
    from cyclopts.config import Dict

    source, settings = _settings()
    if not settings:
        return
    group, table = app.app_stack.current_frame[0], settings
    for depth, command in enumerate(commands):
        tables = [key for key, value in table.items() if not depth or isinstance(value, dict)]
        _refuse_unknown(source, "verb", tables, list(_verbs(group)))
        group, table = group[command], table.get(command, {})
        if not isinstance(table, dict):
            raise UndertoneError(f"{source}: {command} must be a table of options: [{'.'.join(commands)}].")
    options = [name.removeprefix("--") for one in arguments for name in one.names if name.startswith("--")]
    keys = [key.replace("_", "-") for key in table]
    _refuse_unknown(f"{source}, [{'.'.join(commands)}]", "option", keys, [*options, *_verbs(group)])
    Dict(settings, source=source)(app, commands, arguments)
    if given := list(filter(None, (_given(one, source) for one in arguments))):
        tell(console(stderr=True), one_line(f"From {source}: {' '.join(given)}"))


def _settings() -> tuple[str, dict[str, Any]]:
    """Returns where the settings are, and the settings; empty if there are none."""
    shared: object = None
    if SHARED.is_file() and "undertone" in _text(SHARED):
        tool = _read(SHARED).get("tool")
        shared = tool.get("undertone") if isinstance(tool, dict) else None
    source = f"[tool.undertone] of {SHARED}"
    if shared is not None and OWN.exists():
        raise UndertoneError(f"Settings are in {OWN} and in {source}: keep them in one of them.")
    if shared is None:
        return str(OWN), _read(OWN) if OWN.exists() else {}
    if not isinstance(shared, dict):
        raise UndertoneError(f"{source} must hold a table for each verb.")
    return source, shared


def _text(path: Path) -> str:
    from undertone.data.toml import LARGEST, read_text

    return read_text(path, LARGEST)


def _read(path: Path) -> dict[str, Any]:
    from undertone.data.toml import read_toml

    return read_toml(path, dict, "")


def _verbs(group: App) -> Iterator[str]:
    return (name for name in group if not name.startswith("-"))


def _refuse_unknown(place: str, what: str, keys: list[str], known: list[str]) -> None:
    for key in keys:
        if key not in known:
            raise UndertoneError(f"{place}: {unknown(what, key, known)}")


def _given(argument: Argument, source: str) -> str:
    """Returns what the file gives, as one would type it; empty if it gives nothing."""
    values = [token.value for token in argument.tokens if token.source == source]
    if values in ([], ["False"]):
        return ""
    return argument.name if values == ["True"] else " ".join((argument.name, *values))
