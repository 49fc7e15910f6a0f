"""JSON, TOML and YAML as values that are safe to handle: neither too deep nor too many, with numbers of usual size."""

import json
import math
import tomllib
from datetime import date, time
from typing import Any

import yaml

from undertone.reading.files import text_of

DEEPEST = 64
"""Most levels of lists and objects inside each other."""
MOST = 2_000_000
"""Most values in a file, those counted again that YAML repeats by an alias."""
LARGEST_INT = 2**63
KINDS = {
    type(None): "null",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}
LONGEST_YAML = 2**20
"""Most characters of YAML, whose parser takes seconds for so many."""
MERGED = 10_000
"""Most keys of a YAML mapping after its merges (``<<``)."""


def json_value(content: bytes | str, finite: bool = True, largest: int = LARGEST_INT) -> Any:
    """Parses JSON. NaN and infinities, which JSON does not have but Python writes, are refused if ``finite``; integers
    may be as far from 0 as ``largest``.

    Raises:
        ValueError: it is not JSON or exceeds a bound.
    """
    text = text_of(content) if isinstance(content, bytes) else content
    try:
        found = json.loads(text, object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _bounded(found, finite, largest)


def toml_value(content: bytes | str) -> dict[str, Any]:
    """Parses TOML.

    Raises:
        ValueError: it is not TOML or exceeds a bound.
    """
    text = text_of(content) if isinstance(content, bytes) else content
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except Exception as error:  # a day that does not exist raises what the parser does not promise
        raise ValueError(str(error)) from None
    _bounded(found, finite=False)
    return found


def yaml_value(content: bytes | str) -> Any:
    """Parses one YAML document of plain values.

    Raises:
        ValueError: it is not YAML or exceeds a bound.
    """
    text = text_of(content) if isinstance(content, bytes) else content
    if len(text) > LONGEST_YAML:
        raise ValueError(f"longer than {LONGEST_YAML:,} characters")
    try:
        found = yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem or error.context or 'not YAML'}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    except Exception:  # constructors raise what the text makes them: KeyError for "!!bool x"
        raise ValueError("a value does not fit its tag") from None
    return _bounded(found, finite=False)


def is_missing(value: object) -> bool:
    """Whether a value is null or NaN, which tables have for what is not there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_blank(value: object) -> bool:
    """Whether a value is missing, or an empty text, list or object."""
    return is_missing(value) or value in ("", [], {})


def kind_of(value: object) -> str:
    """Returns what a value of JSON is, in a word or two."""
    return KINDS.get(type(value), type(value).__name__)


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes an object of its keys and values.

    Raises:
        ValueError: a key comes twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):  # readers differ in which one they take
        raise ValueError("a key comes twice in an object")
    return found


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """A SafeLoader in which merges cannot double the keys at every level."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MERGED:
            raise yaml.constructor.ConstructorError(None, None, "merges too many keys", node.start_mark)


def _bounded(found: Any, finite: bool, largest: int = LARGEST_INT) -> Any:
    """Returns ``found`` after a look at every value in it.

    Raises:
        ValueError: there are too many values, too deep ones, too large numbers, or text that UTF-8 cannot hold.
    """
    values, waiting = 0, [(found, 1)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if isinstance(value, dict | list | tuple | set):
            if depth > DEEPEST:
                raise ValueError("nested too deeply")
            if values + len(waiting) + len(value) > MOST:
                raise ValueError("too many values")
            parts = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(part, depth + 1) for part in parts]
        else:
            _check(value, finite, largest)
    return found


def _check(value: object, finite: bool, largest: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int) and abs(value) > largest:
        raise ValueError("a number is too large")
    elif isinstance(value, float) and finite and not math.isfinite(value):
        raise ValueError("a number is not finite")
    elif not isinstance(value, int | float | bytes | date | time | None):
        raise ValueError(f"a {type(value).__name__} is no plain value")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text has half a surrogate pair, which UTF-8 cannot hold") from None
