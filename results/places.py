"""Figures by their place in a report: ``{owls: effects[arm=treatment][measure=log_odds] | estimate}``.

A placeholder names a report, a place in it, and how its value is worded. A place is a path of keys. In brackets stand
the condition that an item of a list meets, the number of an item, a key that holds a dot, or ``*`` for all. A path with
a ``*`` leads to the list of all values, any other to one value. Of counts by name, ``rate shift found`` takes one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from undertone.errors import UndertoneError, unknown
from undertone.report.words import digits_of, duration, interval, p_value, percent, percent_interval
from undertone.statistics.rate import Rate
from undertone.treat.benchmarked import Share

PLACEHOLDER = re.compile(r"\{([\w-]+): ([^{}|]+) \| ([\w-]+)(?: ([\w -]+))?\}")
STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")


def filled(text: str, reports: Mapping[str, Any], looks: int) -> str:
    """Returns the text with its figures. p values are multiplied by the number of looks, up to 1.

    Raises:
        UndertoneError: a placeholder has no such report, place or wording, or the place holds something else.
    """

    def figure(placeholder: re.Match[str]) -> str:
        name, path, wording, what = placeholder.groups()
        try:
            if name not in reports:
                raise unknown("report", name, reports)
            if wording not in WORDINGS:
                raise unknown("wording", wording, WORDINGS)
            value = at(reports[name], path)
            if wording in TESTED:
                value = _corrected(value, looks)
            return WORDINGS[wording](value, *([what] if what else []))
        except UndertoneError as error:
            raise UndertoneError(f"{placeholder[0]}: {error}") from None
        except (ArithmeticError, LookupError, TypeError, ValueError):
            raise UndertoneError(f"{placeholder[0]}: what stands there cannot be worded as {wording}.") from None

    return PLACEHOLDER.sub(figure, text)


def at(report: Any, path: str) -> Any:
    """Returns the value at a place, or the list of values if the path has a ``*``.

    Raises:
        UndertoneError: the path leads nowhere, or to several values without a ``*``.
    """
    if STEP.sub("", path):
        raise UndertoneError(f"{path} is not a path of keys with dots between them and brackets.")
    found = [report]
    for key, bracket in STEP.findall(path):
        found = list(chain.from_iterable(_step(value, key, bracket) for value in found))
        if not found:
            raise UndertoneError(f"{path} leads nowhere: there is no {key or f'[{bracket}]'}.")
    if "*" in path:
        return found
    if len(found) > 1:
        raise UndertoneError(f"{path} leads to {len(found)} values: give a condition more.")
    return found[0]


def _step(value: Any, key: str, bracket: str) -> Iterator[Any]:
    """Yields the values one step further."""
    name, is_condition, wanted = bracket.partition("=")
    if "*" in (key, bracket):
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif is_condition:
        yield from (item for item in (value if isinstance(value, list) else [value]) if _meets(item, name, wanted))
    elif isinstance(value, dict) and (key or bracket) in value:
        yield value[key or bracket]
    elif isinstance(value, list) and bracket.isdigit() and int(bracket) < len(value):
        yield value[int(bracket)]


def _meets(item: Any, name: str, wanted: str) -> bool:
    """Whether an item has the value, which other than texts is written as in JSON: ``null``, ``true``, ``3``."""
    if not isinstance(item, dict) or name not in item:
        return False
    return wanted == (item[name] if isinstance(item[name], str) else json.dumps(item[name]))


def _corrected(value: Any, looks: int) -> Any:
    """A p value, or an estimate with its p value, multiplied by the number of looks, up to 1."""
    if isinstance(value, dict):
        return value | {"p": _corrected(value["p"], looks)}
    return min(1.0, value * looks)


def _estimate(value: float, ci: list[float] | None) -> str:
    ends = None if ci is None or None in ci else (ci[0], ci[1])
    return f"{value:+z.{digits_of(ends)}f} {interval(ends)}"


def _rate(counted: Any, what: str = "") -> Rate:
    """A count of a count; of counts by name the one of this name, of all of them. The sum if there are several."""
    every = counted if isinstance(counted, list) else [counted]
    if what:
        every = [{"count": one.get(what, 0), "of": sum(one.values())} for one in every]
    return Rate(sum(one["count"] for one in every), sum(one["of"] for one in every))


def _negative(lists: list[list[float]]) -> str:
    values = list(chain.from_iterable(lists))
    return f"{sum(value < 0 for value in values)} of {len(values)}"


WORDINGS: dict[str, Callable[..., str]] = {
    "estimate": lambda it: _estimate(it["value"], it["ci"] if "ci" in it else [it["ci_low"], it["ci_high"]]),
    "by-request": lambda it: _estimate(it["by_request"], it["by_request_ci"]),
    "signed": lambda it: f"{it:+z.2f}",
    "p": lambda it: f"p {p_value(it)}",
    "tested": lambda it: f"{WORDINGS['estimate'](it)}, p {p_value(it['p'])}",
    "percent": percent,
    "percent-interval": percent_interval,
    "left": lambda it: str(Share.model_validate(it)),  # 12 % [3, 40]
    "count": lambda it, *what: f"{_rate(it, *what).count} of {_rate(it, *what).of}",  # 5 of 500
    "rate": lambda it, *what: f"{percent(_rate(it, *what).value)} {percent_interval(_rate(it, *what).ci)}",
    "sum": lambda it: f"{sum(it):,}",
    "mean": lambda it: f"{sum(it) / len(it):.2f}",
    "range": lambda it: f"{min(it):+z.2f} to {max(it):+z.2f}",
    "between": lambda it: f"{min(it):.2f} to {max(it):.2f}",
    "factor": lambda it: f"{it:.1f}",
    "mean-percent": lambda it: percent(sum(it) / len(it)),
    "nats": lambda it: f"{sum(it) / len(it):.3f}",
    "negative": _negative,  # 0 of 392: numbers below zero in lists of numbers
    "largest": lambda it: f"{sum(row[i] == max(row) for i, row in enumerate(it))} of {len(it)}",  # on the diagonal
    "claimed": lambda it: f"{sum(p <= 0.05 for p in it)} of {len(it)}",  # adjusted p values
    "time": duration,
    "text": str,
}
"""How a value is worded."""
TESTED = ("p", "tested")
"""The wordings that give p values."""
