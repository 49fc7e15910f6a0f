"""The frontier: how much of the trait is left, against how much is left of what a file or a model is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of
from undertone.report.charts import BLUE, GREEN
from undertone.report.findings import Interval
from undertone.report.svg import INK
from undertone.treat.findings import KEPT, WANTED

if TYPE_CHECKING:
    import altair as alt

LOW, HIGH = -0.5, 1.5
"""The range of shares that is drawn. An interval that goes beyond it is cut off at the edge."""


@dataclass(frozen=True)
class Point:
    """A mitigation at its share of the utility (x) and of the trait (y)."""

    x: float
    y: float
    colour: str = BLUE
    x_ci: Interval | None = None
    """None where there is no interval to draw."""
    y_ci: Interval | None = None
    beside: int | None = None
    """Index of the point of its random counterpart."""


def frontier_of(points: Sequence[Point], title: str) -> Figure | None:
    """Draws points with their numbers and both intervals; returns None without points. The goal is the green corner."""
    return figure("frontier", title, partial(_drawn, points)) if points else None


def _drawn(points: Sequence[Point], canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    rows = [row for i, point in enumerate(points) for row in _rows(points, i, point)]
    scale = alt.Scale(domain=[100 * LOW, 100 * HIGH], nice=False, clamp=True)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(tickCount=5, title="utility left, %"))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(tickCount=5, title="transfer left, %"))
    hue = alt.Color("colour:N", scale=None)
    area = chart([{"x": 100 * KEPT, "x2": 100 * HIGH, "y": -100 * WANTED, "y2": 100 * WANTED}])
    number = of(rows, "point").mark_text(align="left", dx=6, dy=-7, fontSize=12, fontWeight="bold", color=INK)
    layers = [
        area.mark_rect(color=GREEN, opacity=0.16).encode(x=x, x2=alt.X2("x2"), y=y, y2=alt.Y2("y2")),
        of(rows, "pair")
        .mark_rule(color=INK, opacity=0.35, strokeDash=[3, 3])
        .encode(x=x, x2=alt.X2("x2"), y=y, y2=alt.Y2("y2")),
        of(rows, "across").mark_rule(opacity=0.45).encode(x=x, x2=alt.X2("x2"), y=y, color=hue),
        of(rows, "along").mark_rule(opacity=0.45).encode(x=x, y=y, y2=alt.Y2("y2"), color=hue),
        of(rows, "point").mark_point(filled=True, size=75, opacity=1).encode(x=x, y=y, color=hue),
        number.encode(x=x, y=y, text=alt.Text("text:N")),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 70, height=330 if canvas.narrow else 460)


def _rows(points: Sequence[Point], i: int, point: Point) -> Iterator[Row]:
    """Yields the rows of the chart for one point, in per cent."""
    mark = {"x": _clipped(point.x), "y": _clipped(point.y), "colour": point.colour}
    yield mark | {"kind": "point", "text": str(i + 1)}
    if point.x_ci is not None:
        yield mark | {"kind": "across", "x": _clipped(point.x_ci[0]), "x2": _clipped(point.x_ci[1])}
    if point.y_ci is not None:
        yield mark | {"kind": "along", "y": _clipped(point.y_ci[0]), "y2": _clipped(point.y_ci[1])}
    if point.beside is not None:
        other = points[point.beside]
        yield mark | {"kind": "pair", "x2": _clipped(other.x), "y2": _clipped(other.y)}


def _clipped(share: float) -> float:
    return 100 * min(max(share, LOW), HIGH)
