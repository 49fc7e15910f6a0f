"""Computes how an effect changes along an axis, teacher by teacher."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from undertone.experiments.sweep.findings import AxisFound, Compared, PointFound
from undertone.experiments.sweep.point import Result, combined
from undertone.experiments.sweep.spec import Axis, Key, Sweep
from undertone.report.findings import Measured
from undertone.statistics.estimate import holm

PLACES_OF_A_TREND = 3
"""The smallest number of points on an axis for which a trend is computed."""


def findings(sweep: Sweep, results: Mapping[Key, Result]) -> dict[str, Any]:
    """Returns the fields of the findings that only a sweep has."""
    axes = tuple(_axis(name, axis, results) for name, axis in sweep.axes.items())
    return {"trait": sweep.traits[0], "teachers": sweep.teachers, "axes": axes}


def _axis(name: str, axis: Axis, results: Mapping[Key, Result]) -> AxisFound:
    points = [(point, results[name, point.label]) for point in axis.points]
    placed = [(point.label, result, point.at) for point, result in points if point.at is not None]
    places = [math.log2(at) if axis.scale == "log" else at for *_, at in placed]
    labels, on_axis = [label for label, *_ in placed], [result for _, result, _ in placed]
    trend = [
        Measured.of(combined(on_axis, coefficient(places, power))) if len(placed) >= PLACES_OF_A_TREND else None
        for power in (1, 2)
    ]
    unchanged = [i for i, point in enumerate(axis.points) if not point.set]
    first = unchanged[:1] or ([] if placed else [0])  # points without a place are compared with this one
    beside = [(i, j, 1.0) for i in first for j, point in enumerate(axis.points) if point.at is None and i != j]
    neighbours = [(i - 1, i, 1.0) for i in range(1, len(placed))]
    parts = [(len(placed) - 1, i, places[i] / places[-1]) for i in range(len(placed) - 1)]
    return AxisFound(
        name=name,
        title=axis.title,
        scale=axis.scale,
        points=tuple(PointFound(label=point.label, at=point.at, made=result.made()) for point, result in points),
        slope=trend[0],
        bend=trend[1],
        steps=_compared(labels, on_axis, neighbours),
        beside=_compared([point.label for point in axis.points], [result for _, result in points], beside),
        parts=_compared(labels, on_axis, parts) if axis.scale == "linear" else (),
    )


def _compared(
    labels: Sequence[str], results: Sequence[Result], pairs: Sequence[tuple[int, int, float]]
) -> tuple[Compared, ...]:
    """Returns, for each (start, end, factor), the effect at the end minus ``factor`` times the effect at the start."""
    changes = [Measured.of(combined([results[end], results[start]], [1.0, -factor])) for start, end, factor in pairs]
    adjusted = holm([1.0 if change.p is None else change.p for change in changes])
    return tuple(
        Compared(start=labels[start], end=labels[end], change=change, p_holm=p)
        for (start, end, _), change, p in zip(pairs, changes, adjusted, strict=True)
    )


def coefficient(places: Sequence[float], power: int) -> list[float]:
    """Returns the weights of the values at ``places`` that give the leading coefficient of a least-squares polynomial
    of degree ``power``: the slope of a straight line, or the curvature of a parabola."""
    columns = np.vander(np.asarray(places, dtype=np.float64), power + 1, increasing=True)
    return [float(weight) for weight in np.linalg.pinv(columns)[power]]
