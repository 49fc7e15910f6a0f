"""Recipes: trials, and experiments of the theory, as TOML files; the shipped ones by name and anyone's by path."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from undertone.errors import UndertoneError, unknown
from undertone.scaling import scaled
from undertone.specs import Spec, Trial

S = TypeVar("S", bound=Spec)
EXPERIMENT = "experiment"
"""The key that says of a recipe that it is no trial, and which experiment it is instead."""
PAPER = "paper"
"""The folder of published experiments, at their published size."""


def names() -> list[str]:
    """Names of the shipped recipes."""
    folder = files(__package__).joinpath("recipes")
    own, published = folder.iterdir(), folder.joinpath(PAPER).iterdir()
    found = [entry.name for entry in own] + [f"{PAPER}/{entry.name}" for entry in published]
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def listed() -> Iterator[tuple[str, str, str]]:
    """Of every shipped recipe its name, what it asks, and its budget, as its first line states it."""
    for name in names():
        first = files(__package__).joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8").partition("\n")[0]
        yield name, str(_table(name)["title"]), first.partition("(")[2].rpartition(")")[0]


def experiment(recipe: str) -> str | None:
    """Which experiment a recipe is; None for a trial.

    Raises:
        UndertoneError: no such recipe, or a file that is not TOML.
    """
    name = _table(recipe).get(EXPERIMENT)
    return None if name is None else str(name)


def read(recipe: str, changes: tuple[str, ...] = (), scale: float = 1.0) -> Trial:
    """The trial of a shipped recipe (``owls``) or of a file (``./mine.toml``), scaled, then with ``a.b=value`` changes
    applied.

    Raises:
        UndertoneError: no such recipe, a file that is not TOML, an unknown key, a value out of range.
    """
    return read_as(Trial, recipe, changes, scale)


def read_as(spec: type[S], recipe: str, changes: tuple[str, ...] = (), scale: float = 1.0) -> S:
    """The same for a recipe of another kind than a trial, which its ``experiment`` names.

    Raises:
        UndertoneError: as :func:`read`.
    """
    table = _table(recipe)
    if spec is not Trial:
        table.pop(EXPERIMENT, None)
    scaled(table, scale)
    for change in changes:
        _apply(table, change)
    try:
        return spec.model_validate(table)
    except ValidationError as error:
        raise UndertoneError(f"{recipe}: {_first_fault(error, spec)}") from None


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


def _first_fault(error: ValidationError, spec: type[Spec]) -> str:
    """The first fault in one sentence; for an unknown key, with the keys that exist there."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{place or 'the recipe'}: {fault['msg']}" + (f", got {fault['input']!r}." if place else ".")
    parent = place.rpartition(".")[0]
    return str(unknown("key", place, [key for key in _keys(spec) if key.rpartition(".")[0] == parent]))


def _keys(model: Any, prefix: str = "") -> list[str]:
    """Every key of a spec, dotted, as far as it is known without the arms' names."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        if hasattr(field.annotation, "model_fields"):
            found += _keys(field.annotation, f"{prefix}{name}.")
    return found
