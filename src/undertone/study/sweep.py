"""From points to axes: how an effect changes along what was varied, teacher by teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from undertone.statistics import holm
from undertone.study.findings import AxisFound, PointFound, StepFound
from undertone.study.point import Result, combined
from undertone.study.spec import Axis, Key, Sweep
from undertone.theory.findings import Measured

PLACES_OF_A_TREND = 3
"""Fewer points on an axis have a step between them and no trend."""


def findings(sweep: Sweep, results: Mapping[Key, Result]) -> dict[str, Any]:
    """What is particular to a sweep in its findings."""
    axes = tuple(_axis(name, axis, results) for name, axis in sweep.axes.items())
    return {"trait": sweep.traits[0], "teachers": sweep.teachers, "axes": axes}


def _axis(name: str, axis: Axis, results: Mapping[Key, Result]) -> AxisFound:
    points = [(point, results[name, point.label]) for point in axis.points]
    placed = [(point, result) for point, result in points if point.at is not None]
    places = [_place(axis, point.at) for point, _ in placed if point.at is not None]
    on_axis = [result for _, result in placed]
    slope = bend = None
    if len(placed) >= PLACES_OF_A_TREND:
        slope = Measured.of(combined(on_axis, coefficient(places, 1)))
        bend = Measured.of(combined(on_axis, coefficient(places, 2)))
    pairs = [(placed[i], placed[i + 1]) for i in range(len(placed) - 1)]
    changes = [Measured.of(combined([before[1], after[1]], [-1.0, 1.0])) for before, after in pairs]
    adjusted = holm([1.0 if change.p is None else change.p for change in changes])
    return AxisFound(
        name=name,
        title=axis.title,
        scale=axis.scale,
        points=tuple(PointFound(label=point.label, at=point.at, made=result.made()) for point, result in points),
        slope=slope,
        bend=bend,
        steps=tuple(
            StepFound(start=before.label, end=after.label, change=change, p_holm=p)
            for ((before, _), (after, _)), change, p in zip(pairs, changes, adjusted, strict=True)
        ),
    )


def _place(axis: Axis, at: float) -> float:
    return math.log2(at) if axis.scale == "log" else at


def coefficient(places: Sequence[float], power: int) -> list[float]:
    """Weights that turn values at ``places`` into the coefficient of that power, in the polynomial of least squares of
    degree ``power``: the slope of a straight line, or the bend of a parabola."""
    columns = np.vander(np.asarray(places, dtype=np.float64), power + 1, increasing=True)
    return [float(weight) for weight in np.linalg.pinv(columns)[power]]
