"""Reads recipes, which are TOML files of experiments: shipped ones by name, a user's own by path."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError

from undertone.data.filters import KINDS
from undertone.data.toml import read_toml
from undertone.errors import UndertoneError, unknown
from undertone.experiments.kind import kind_of
from undertone.experiments.scaling import scaled
from undertone.reading.values import toml_value
from undertone.spec import Recipe, Spec

R = TypeVar("R", bound=Recipe)
EXPERIMENT, TRIAL = "experiment", "trial"
"""The key of a recipe that names its kind of experiment, and the kind of a recipe without this key."""
SHIPPED = Path(__file__).parent / "recipes"


def names() -> list[str]:
    """Returns the names of the shipped recipes, such as ``owls`` and ``paper/numbers-animals``."""
    return sorted(path.relative_to(SHIPPED).with_suffix("").as_posix() for path in SHIPPED.rglob("*.toml"))


def listed() -> Iterator[tuple[str, str, str]]:
    """Yields name, question and budget of every shipped recipe. The budget is in brackets in its first line."""
    for name in names():
        first = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8").partition("\n")[0]
        yield name, str(_table(name)["title"]), first.partition("(")[2].rpartition(")")[0]


def read(recipe: str, changes: tuple[str, ...] = (), scale: float = 1.0) -> Any:
    """Reads a shipped recipe (``owls``) or a file (``./mine.toml``), scales it and then applies ``a.b=value`` changes.
    Returns the spec of its kind, such as :class:`undertone.experiments.trial.spec.Trial`.

    Raises:
        UndertoneError: no such recipe, a file that is not TOML, an unknown key, a value out of range.
    """
    table = _table(recipe)
    return _resolved(kind_of(str(table.pop(EXPERIMENT, TRIAL))).spec, table, recipe, changes, scale)


def read_as(spec: type[R], recipe: str, changes: tuple[str, ...] = (), scale: float = 1.0) -> R:
    """Reads a recipe as :func:`read` does, if it is of the kind of ``spec``.

    Raises:
        UndertoneError: as :func:`read`, or the recipe is of another kind.
    """
    table = _table(recipe)
    kind = table.pop(EXPERIMENT, TRIAL)
    if kind != spec.kind:
        raise UndertoneError(f"The recipe {recipe} is of the kind {kind}; give one of the kind {spec.kind}.")
    return _resolved(spec, table, recipe, changes, scale)


def _resolved(spec: type[R], table: dict[str, Any], recipe: str, changes: tuple[str, ...], scale: float) -> R:
    if scale != 1 and not spec.scalable:
        raise UndertoneError(f"--scale is only for trials and fine-tunes, and {recipe} is neither: leave it out.")
    scaled(table, scale)
    for change in changes:
        _apply(table, change)
    if "own" in spec.model_fields:
        _read_traits(table)
    try:
        return spec.model_validate(table)
    except ValidationError as error:
        raise UndertoneError(f"{recipe}: {_first_fault(error, spec)}") from None


def _read_traits(table: dict[str, Any]) -> None:
    """Replaces files of traits by the names of their traits, and adds these traits to the recipe."""
    from undertone.traits import catalogue

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
    path = SHIPPED / f"{recipe}.toml" if recipe in names() else Path(recipe)
    if path.suffix != ".toml":
        folders = {name.rpartition("/")[0] for name in names()}  # "" for recipes that are in no folder
        if recipe.rpartition("/")[0] not in folders:
            raise UndertoneError(f"{recipe} is neither a recipe (a file ending in .toml) nor the folder of a run.")
        raise unknown("recipe", recipe, names())
    return read_toml(path, dict, "the recipe")


def _apply(table: dict[str, Any], change: str) -> None:
    """Applies ``a.b=value``. A value that is not TOML is a string."""
    key, equals, text = change.partition("=")
    if not equals:
        raise UndertoneError(f"--set {change!r} has no value: write it as key=value, for example student.steps=100.")
    *parents, last = key.strip().split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UndertoneError(f"--set {change!r}: {parent!r} is a single value and has no keys.")
    try:
        table[last] = toml_value(f"v = {text}")["v"]
    except ValueError:
        table[last] = text.strip()


def _first_fault(error: ValidationError, spec: type[Spec]) -> str:
    """Returns the first error as a sentence; for an unknown key, with the keys that exist in its table."""
    fault = error.errors()[0]
    place = ".".join(part for part in map(str, fault["loc"]) if not part.startswith("("))  # without tags of unions
    if fault["type"] == "union_tag_invalid":
        return f"{place}: {unknown('filter', fault['ctx']['tag'].strip('()'), KINDS)}"
    if fault["type"] == "missing":
        return f"the key {place} is missing."
    if fault["type"] != "extra_forbidden":
        return f"{place or 'the recipe'}: {fault['msg']}" + (f", got {fault['input']!r:.80}." if place else ".")
    parent = re.sub(r"\.[0-9]+\b", "", place.rpartition(".")[0])  # tables of a list have the same keys
    return str(unknown("key", place, [key for key in _keys(spec) if key.rpartition(".")[0] == parent]))


def _keys(model: Any, prefix: str = "") -> list[str]:
    """Returns all keys of a spec with dots, except those below names that the user chooses, such as arms."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        for part in _tables(field.annotation):
            found += _keys(part, f"{prefix}{name}.")
    return found


def _tables(annotation: Any) -> Iterator[Any]:
    """Yields the specs that a field can contain, also in a union or a list."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    elif get_origin(annotation) is not dict:
        for part in get_args(annotation):
            yield from _tables(part)
