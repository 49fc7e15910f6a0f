"""The figures of a benchmark of treatments: the frontier, and what is left by probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.audit.findings import Interval
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, placed
from undertone.report.svg import INK
from undertone.treat.findings import PLAIN, Findings, Realigned, Share, Treatment
from undertone.treat.headline import KEPT, WANTED, share

if TYPE_CHECKING:
    import altair as alt

# From the report's palette.
OURS, RANDOM, HIDES, AREA = "#0072b2", "#7a7f87", "#d55e00", "#009e73"
LOW, HIGH = -0.5, 1.5
"""Of what is drawn, shares: an interval that goes on beyond ends at the edge."""
STEP = 20


def treat_figures(findings: Findings) -> dict[str, Figure]:
    """Every figure, by name."""
    drawn = [
        figure("frontier", "What is left of the transfer, and of the task", partial(frontier, _points(findings))),
        figure("probes", "Transfer left, asked plainly and otherwise", partial(_probes, findings)),
    ]
    return {one.name: one for one in drawn if one is not None}


def realign_figures(findings: Realigned) -> dict[str, Figure]:
    """The frontier of one model; none where there was no utility to keep."""
    points = []
    for i, way in enumerate(findings.ways):
        ours = i > 0 and way.does.get("along", "trait") == "trait"
        if way.utility is not None:
            points.append(Point(x=way.utility, y=way.left, colour=OURS if ours else RANDOM))
    if not points:
        return {}
    drawn = figure("frontier", "What is left of the shift, and of the task", partial(frontier, points))
    return {drawn.name: drawn} if drawn else {}


def colour(findings: Findings, one: Treatment) -> str:
    """Grey for what is done at random or not at all, red for what only hides."""
    if one.word == "hides":
        return HIDES
    beside = {other.beside for other in findings.treatments}
    return RANDOM if one.name in beside or one.word == "untreated" else OURS


@dataclass(frozen=True)
class Point:
    """Something placed by what it leaves of the utility (x) and of the transfer (y); shares."""

    x: float
    y: float
    colour: str
    x_ci: Interval | None = None
    """None: there is no interval to draw."""
    y_ci: Interval | None = None
    beside: int | None = None
    """Place of what does as much at random."""


def frontier(points: Sequence[Point], canvas: Canvas) -> alt.LayerChart:
    """Points by their number, with intervals both ways; the corner that is wanted is green."""
    import altair as alt

    rows = [row for i, point in enumerate(points) for row in _placed(points, i, point)]
    size: dict[str, Any] = {"width": canvas.width - 70, "height": 330 if canvas.narrow else 460}
    scale = alt.Scale(domain=[100 * LOW, 100 * HIGH], nice=False, clamp=True)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(tickCount=5, title="utility left, %"))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(tickCount=5, title="transfer left, %"))
    hue = alt.Color("colour:N", scale=None)
    area = chart([{"x": 100 * KEPT, "x2": 100 * HIGH, "y": -100 * WANTED, "y2": 100 * WANTED}])
    number = of(rows, "point").mark_text(align="left", dx=6, dy=-7, fontSize=12, fontWeight="bold", color=INK)
    layers = [
        area.mark_rect(color=AREA, opacity=0.16).encode(x=x, x2="x2", y=y, y2="y2"),
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
        yield {"kind": "across", **_ends(point.x_ci, "x"), "y": y, "colour": point.colour}
    if point.y_ci is not None:
        yield {"kind": "along", "x": x, **_ends(point.y_ci, "y"), "colour": point.colour}
    if point.beside is not None:
        other = points[point.beside]
        yield {"kind": "pair", "x": x, "y": y, "x2": _clipped(other.x), "y2": _clipped(other.y)}


def _points(findings: Findings) -> list[Point]:
    names = [one.name for one in findings.treatments]
    return [
        Point(
            x=one.utility.value,
            y=one.left[PLAIN].value,
            colour=colour(findings, one),
            x_ci=bounded(one.utility),
            y_ci=bounded(one.left[PLAIN]),
            beside=None if one.beside is None else names.index(one.beside),
        )
        for one in findings.treatments
    ]


def bounded(found: Share) -> Interval:
    """The interval, or all that is drawn where it is unbounded."""
    return (LOW, HIGH) if found.ci is None else found.ci


def _ends(ci: Interval, axis: str) -> Row:
    return {axis: _clipped(ci[0]), f"{axis}2": _clipped(ci[1])}


def _clipped(value: float) -> float:
    """Per cent, as far as it is drawn."""
    return 100 * min(max(value, LOW), HIGH)


def _probes(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    rows: list[Row] = []
    y = 0
    for i, one in enumerate(findings.treatments, 1):
        y += STEP // 2
        rows.append({"kind": "name", "text": f"{i} {one.name}", "y": y + STEP})
        for probe in findings.probes:
            y += STEP
            rows += _line(findings, one, probe, y)
    height = y + STEP
    ends = [175, canvas.width - 6] if canvas.narrow else [300, canvas.width - 150]
    scale = alt.Scale(domain=[100 * LOW, 100 * HIGH], range=ends, nice=False, clamp=True)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=5, title="transfer left, %"))
    at, hue = placed(height), alt.Color("colour:N", scale=None)
    rows += [{"kind": "zero", "x": edge, "y": 4, "y2": height - 4} for edge in (0.0, 100.0)]
    text: dict[str, Any] = {"fontSize": 12, "color": INK}
    layers = [
        of(rows, "zero").mark_rule(color=INK, opacity=0.5).encode(x=x, y=at, y2="y2"),
        of(rows, "interval").mark_rule(strokeWidth=2, strokeCap="round").encode(x=x, x2="x2", y=at, color=hue),
        of(rows, "point").mark_point(filled=True, size=55, opacity=1).encode(x=x, y=at, color=hue),
        of(rows, "name")
        .mark_text(align="left", fontWeight="bold", limit=120 if canvas.narrow else 190, **text)
        .encode(x=alt.value(0), y=at, text="text:N"),
        of(rows, "probe").mark_text(align="right", **text).encode(x=alt.value(ends[0] - 8), y=at, text="text:N"),
    ]
    if not canvas.narrow:
        value = of(rows, "value").mark_text(align="right", **text)
        layers.append(value.encode(x=alt.value(canvas.width), y=at, text="text:N"))
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _line(findings: Findings, one: Treatment, probe: str, y: int) -> Iterator[Row]:
    left = one.left[probe]
    hue = colour(findings, one)
    yield {"kind": "probe", "text": probe, "y": y}
    yield {"kind": "value", "text": share(left), "y": y}
    yield {"kind": "interval", **_ends(bounded(left), "x"), "y": y, "colour": hue}
    yield {"kind": "point", "x": _clipped(left.value), "y": y, "colour": hue}
