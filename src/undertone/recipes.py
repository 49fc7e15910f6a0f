"""Recipes: trials as TOML files, the shipped ones by name and anyone's by path."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertone.emergence.spec import Experiment
from undertone.errors import UndertoneError, unknown
from undertone.specs import Spec, Trial


def names() -> list[str]:
    """Names of the shipped recipes."""
    folder = files(__package__).joinpath("recipes")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read(recipe: str, changes: tuple[str, ...] = ()) -> Trial:
    """The trial of a shipped recipe (``owls``) or of a file (``./mine.toml``), with ``a.b=value`` changes applied.

    Raises:
        UndertoneError: no such recipe, a file that is not TOML, an unknown key, a value out of range, no trial.
    """
    found = read_any(recipe, changes)
    if not isinstance(found, Trial):
        raise UndertoneError(f"{recipe} is an experiment on {found.experiment}, and no trial with teachers.")
    return found


def read_any(recipe: str, changes: tuple[str, ...] = ()) -> Trial | Experiment:
    """The same for any recipe: one with the key ``experiment`` is no trial.

    Raises:
        UndertoneError: as :func:`read`.
    """
    table = _table(recipe)
    for change in changes:
        _apply(table, change)
    kind = Experiment if "experiment" in table else Trial
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        raise UndertoneError(f"{recipe}: {_first_fault(error, kind)}") from None


def _table(recipe: str) -> dict[str, Any]:
    path = Path(recipe)
    try:
        if recipe in names():
            return tomllib.loads(files(__package__).joinpath("recipes", f"{recipe}.toml").read_text(encoding="utf-8"))
        if path.suffix != ".toml":
            if path.name != recipe:
                raise UndertoneError(f"{recipe} is neither a recipe (a file ending in .toml) nor the folder of a run.")
            raise unknown("recipe", recipe, names())
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UndertoneError(f"{path} is no valid TOML: {error}.") from None


def _apply(table: dict[str, Any], change: str) -> None:
    """Applies ``a.b=value``; the value is read as TOML, or else as a plain string."""
    key, equals, text = change.partition("=")
    if not equals:
        raise UndertoneError(f"--set {change!r} has no value: write it as key=value, for example student.steps=100.")
    *parents, last = key.strip().split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UndertoneError(f"--set {change!r}: {parent!r} is a single value and has no keys.")
    try:
        table[last] = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        table[last] = text.strip()


def _first_fault(error: ValidationError, kind: type[Spec]) -> str:
    """The first fault in one sentence; for an unknown key, with the keys that exist there."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{place or 'the recipe'}: {fault['msg']}" + (f", got {fault['input']!r}." if place else ".")
    parent = place.rpartition(".")[0]
    return str(unknown("key", place, [key for key in _keys(kind) if key.rpartition(".")[0] == parent]))


def _keys(model: Any, prefix: str = "") -> list[str]:
    """Every key of a spec, dotted, as far as it is known without the arms' names."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        if hasattr(field.annotation, "model_fields"):
            found += _keys(field.annotation, f"{prefix}{name}.")
    return found
