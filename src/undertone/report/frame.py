"""Tables of findings as data frames of pandas, which need not be installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from undertone.errors import UndertoneError, unknown
from undertone.report.findings import Findings, Interval, Part

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, Any]
INTERVALS: tuple[Any, ...] = (Interval, Interval | None)


def frame(found: Findings, table: str) -> DataFrame:
    """Returns the table of that name as a data frame.

    Raises:
        UndertoneError: pandas is not installed, or there is no such table.
    """
    return pandas().DataFrame(rows_of(found, table))


def rows_of(found: Findings, table: str) -> list[Row]:
    """Returns the rows of the table of that name, the first one if the name is empty. An interval becomes two columns,
    and a field of a part a column whose name has a dot. What is a table itself is left out. The first column of a table
    in a table names the part that it is from.

    Raises:
        UndertoneError: there is no such table.
    """
    known = list(tables_of(type(found)))
    if not known:
        raise UndertoneError("These findings have no table: see their fields, and their page.")
    table = table or known[0]
    if table not in known:
        raise unknown("table", table, known)
    return list(_rows(found, *table.split(".")))


def pandas() -> ModuleType:
    """Returns the library, which need not be installed.

    Raises:
        UndertoneError: it is not.
    """
    try:
        return import_module("pandas")
    except ImportError:
        raise UndertoneError("A data frame needs the library pandas: pip install pandas.") from None


def tables_of(kind: type[Part], before: str = "") -> Iterator[str]:
    """The names of all tables: tuples of parts, at any depth, and mappings of parts in the findings themselves."""
    for name, field in kind.model_fields.items():
        part = _part(field.annotation)
        if part is not None and (not before or get_origin(field.annotation) is tuple):
            yield f"{before}{name}"
            yield from tables_of(part, f"{before}{name}.")


def _part(annotation: Any) -> type[Part] | None:
    """The class of the parts that a field has many of; None for another field."""
    inner = get_args(annotation)
    many = (get_origin(annotation) is tuple and inner[1:] == (...,)) or get_origin(annotation) is dict
    part = inner[0 if get_origin(annotation) is tuple else 1] if many else None
    return part if isinstance(part, type) and issubclass(part, Part) else None


def _rows(part: Part, name: str, *inner: str) -> Iterator[Row]:
    held = getattr(part, name)
    for key, one in held.items() if isinstance(held, Mapping) else enumerate(held):
        if inner:
            yield from ({name: getattr(one, "name", key)} | row for row in _rows(one, *inner))
        else:
            yield ({name: key} if isinstance(held, Mapping) else {}) | dict(_cells(one))


def _cells(part: Part, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if "ci" in name.split("_") and field.annotation in INTERVALS:
            low, high = value or (None, None)
            yield from ((f"{before}{name}_low", low), (f"{before}{name}_high", high))
        elif get_origin(field.annotation) is not tuple or _part(field.annotation) is None:
            yield from _flat(f"{before}{name}", value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Part):
        yield from _cells(value, f"{name}.")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value
