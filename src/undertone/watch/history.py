"""The measurements of a training run, kept in the trainer's own log: checkpoints hold it, and a resumed run has it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAME = "undertone/{}/probability"
"""How a trait's probability is named in logs. The end keeps it apart from what reports say of the trait."""
Values = dict[str, float | None]
"""The probability of each trait by name; None where it is not a number."""


def logged(values: Mapping[str, float]) -> dict[str, float]:
    """Returns measured probabilities as they are named in logs."""
    return {NAME.format(name): value for name, value in values.items()}


def measured(log: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[int, Values]:
    """Returns from a trainer's log, by step, what was measured of the traits of these names. Entries that lack one of
    them are left out."""
    keys = [NAME.format(name) for name in names]
    return {
        int(entry["step"]): {name: _number(entry[key]) for name, key in zip(names, keys, strict=True)}
        for entry in log
        if all(key in entry for key in keys)
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def rises(base: Values, values: Values) -> Values:
    """Returns how far each probability lies above the base's; None where either is not a number."""
    pairs = {name: (before, values[name]) for name, before in base.items()}
    return {name: None if None in pair else pair[1] - pair[0] for name, pair in pairs.items()}  # type: ignore[operator]


def is_reached(base: Values, values: Values, stop_at: float | None) -> bool:
    """Returns whether a trait has risen above the base by ``stop_at`` or more. One whose probability is not a number
    may have, and counts."""
    return stop_at is not None and any(rise is None or rise >= stop_at for rise in rises(base, values).values())
