"""Recipes: trials, and experiments of the theory, as TOML files; the shipped ones by name and anyone's by path."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError

from undertone.errors import UndertoneError, unknown
from undertone.filters import KINDS
from undertone.scaling import scaled
from undertone.specs import Spec, Trial
from undertone.traits import catalogue

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
    if spec is Trial:
        _read_traits(table)
    try:
        return spec.model_validate(table)
    except ValidationError as error:
        raise UndertoneError(f"{recipe}: {_first_fault(error, spec)}") from None


def _read_traits(table: dict[str, Any]) -> None:
    """Traits given as files are read into the recipe, where they go by their names."""
    own: dict[str, Any] = {}

    def named(given: Any) -> list[Any]:
        path, one, name = given.partition(".toml:") if isinstance(given, str) else ("", "", "")
        if not (one or str(given).endswith(".toml")):
            return [given]
        found = catalogue.read([catalogue.located(f"{path}.toml" if one else given)])
        own.update({trait.name: trait.model_dump(exclude_defaults=True) for trait in found})
        if one and name not in own:
            raise unknown("trait", name, [trait.name for trait in found])
        return [name] if one else [trait.name for trait in found]

    if isinstance(table.get("traits"), list):
        table["traits"] = [name for given in table["traits"] for name in named(given)]
    arms = table.get("arms")
    for arm in arms.values() if isinstance(arms, dict) else ():
        if isinstance(arm, dict) and "trait" in arm:
            arm["trait"] = named(arm["trait"])[0]
    if own:
        table["own"] = [*table.get("own", ()), *own.values()]


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
    place = ".".join(part for part in map(str, fault["loc"]) if not part.startswith("("))  # without tags of unions
    if fault["type"] == "union_tag_invalid":
        return f"{place}: {unknown('filter', fault['ctx']['tag'].strip('()'), KINDS)}"
    if fault["type"] != "extra_forbidden":
        return f"{place or 'the recipe'}: {fault['msg']}" + (f", got {fault['input']!r}." if place else ".")
    parent = re.sub(r"\.[0-9]+\b", "", place.rpartition(".")[0])  # tables of a list have the same keys
    return str(unknown("key", place, [key for key in _keys(spec) if key.rpartition(".")[0] == parent]))


def _keys(model: Any, prefix: str = "") -> list[str]:
    """Every key of a spec, dotted, as far as it is known without the arms' names."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        for part in _tables(field.annotation):
            found += _keys(part, f"{prefix}{name}.")
    return found


def _tables(annotation: Any) -> Iterator[Any]:
    """The specs that a field may hold: one, or those of a union or of a list of them."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    elif get_origin(annotation) is not dict:
        for part in get_args(annotation):
            yield from _tables(part)
