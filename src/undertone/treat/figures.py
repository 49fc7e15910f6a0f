"""The frontier: how much of a trait is left, against how much of what a file or a model is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of
from undertone.report.charts import BLUE, GREEN
from undertone.report.findings import Interval
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

LOW, HIGH = -0.5, 1.5
"""The shares that are drawn: an interval that goes on beyond ends at the edge."""


@dataclass(frozen=True)
class Point:
    """Something placed by what it leaves of the utility (x) and of the trait (y); both are shares."""

    x: float
    y: float
    colour: str = BLUE
    x_ci: Interval | None = None
    """None where there is no interval to draw."""
    y_ci: Interval | None = None
    beside: int | None = None
    """The place, among the points, of what does as much at random."""


def frontier_of(points: Sequence[Point], title: str, kept: float, wanted: float) -> Figure | None:
    """Points by their number, with intervals both ways. The corner that is wanted is green: at least ``kept`` of the
    utility, at most ``wanted`` of the trait."""
    return figure("frontier", title, partial(_drawn, points, kept, wanted)) if points else None


def _drawn(points: Sequence[Point], kept: float, wanted: float, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    rows = [row for i, point in enumerate(points) for row in _placed(points, i, point)]
    size: dict[str, Any] = {"width": canvas.width - 70, "height": 330 if canvas.narrow else 460}
    scale = alt.Scale(domain=[100 * LOW, 100 * HIGH], nice=False, clamp=True)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(tickCount=5, title="utility left, %"))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(tickCount=5, title="transfer left, %"))
    hue = alt.Color("colour:N", scale=None)
    area = chart([{"x": 100 * kept, "x2": 100 * HIGH, "y": -100 * wanted, "y2": 100 * wanted}])
    number = of(rows, "point").mark_text(align="left", dx=6, dy=-7, fontSize=12, fontWeight="bold", color=INK)
    layers = [
        area.mark_rect(color=GREEN, opacity=0.16).encode(x=x, x2="x2", y=y, y2="y2"),
        of(rows, "pair").mark_rule(color=INK, opacity=0.35, strokeDash=[3, 3]).encode(x=x, x2="x2", y=y, y2="y2"),
        of(rows, "across").mark_rule(opacity=0.45).encode(x=x, x2="x2", y=y, color=hue),
        of(rows, "along").mark_rule(opacity=0.45).encode(x=x, y=y, y2="y2", color=hue),
        of(rows, "point").mark_point(filled=True, size=75, opacity=1).encode(x=x, y=y, color=hue),
        number.encode(x=x, y=y, text="text:N"),
    ]
    return alt.LayerChart(layer=layers).properties(**size)


def _placed(points: Sequence[Point], i: int, point: Point) -> Iterator[Row]:
    x, y = _clipped(point.x), _clipped(point.y)
    yield {"kind": "point", "x": x, "y": y, "colour": point.colour, "text": str(i + 1)}
    if point.x_ci is not None:
        yield {
            "kind": "across",
            "x": _clipped(point.x_ci[0]),
            "x2": _clipped(point.x_ci[1]),
            "y": y,
            "colour": point.colour,
        }
    if point.y_ci is not None:
        yield {
            "kind": "along",
            "x": x,
            "y": _clipped(point.y_ci[0]),
            "y2": _clipped(point.y_ci[1]),
            "colour": point.colour,
        }
    if point.beside is not None:
        other = points[point.beside]
        yield {"kind": "pair", "x": x, "y": y, "x2": _clipped(other.x), "y2": _clipped(other.y)}


def _clipped(value: float) -> float:
    """Per cent, as far as it is drawn."""
    return 100 * min(max(value, LOW), HIGH)
