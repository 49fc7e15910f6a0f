"""The two charts that most findings need: a forest of values with their intervals, and a matrix of numbers.

Altair is imported inside functions, because it is slow to import and only a report needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from undertone.reading.hostile import one_line
from undertone.report.canvas import MUTED, Canvas, Row, chart, of, padded, placed, x_at
from undertone.report.findings import Interval
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

# From the palette of Okabe and Ito, which colour-blind readers can tell apart.
ORANGE, BLUE, GREEN, GREY = "#d55e00", "#0072b2", "#009e73", "#7a7f87"

LANE = 10
"""Pixels between lanes: marks of one line below each other."""
Shape = Literal["point", "hollow", "diamond", "dot", "ring", "tick"]
MARKS: dict[Shape, dict[str, Any]] = {
    "point": {"filled": True, "size": 90, "opacity": 1},
    "hollow": {"filled": True, "fill": "white", "size": 70, "opacity": 1, "strokeWidth": 2},
    "diamond": {"filled": True, "shape": "diamond", "size": 130, "opacity": 1, "stroke": INK, "strokeWidth": 1},
    "dot": {"filled": True, "size": 45, "opacity": 0.6},
    "ring": {"filled": False, "size": 60, "opacity": 1, "strokeWidth": 2},
    "tick": {"shape": "stroke", "angle": 90, "size": 160, "opacity": 1, "strokeWidth": 2},
}


@dataclass(frozen=True)
class Mark:
    """One value on a line, perhaps with its interval."""

    at: float
    ci: Interval | None = None
    colour: str = BLUE
    shape: Shape = "point"
    lane: int = 0
    """Number of lanes below the line's middle."""


@dataclass(frozen=True)
class Line:
    """One line of a forest: a label at the left, marks, and a text at the right."""

    label: str
    marks: tuple[Mark, ...] = ()
    text: str = ""
    style: Literal["plain", "bold", "head", "muted"] = "plain"
    """A head is the heading of the lines below it. A muted label is left out on a phone."""
    band: Interval | None = None
    """A grey band behind the marks."""
    rule: float | None = None
    """Where a dashed vertical stroke crosses this line."""


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a forest."""

    title: str
    zero: float | None = 0.0
    """A vertical stroke across all lines, where there is no effect. It is always in view."""
    dashed: tuple[float, ...] = ()
    """Dashed strokes across all lines; those beyond the ends of the axis are left out."""
    least: float = 0.5
    """Shortest length of the axis, so that noise does not look large."""
    bounds: Interval | None = None
    """The ends of the axis; marks beyond them are drawn at the edge. By default all marks fit."""
    probabilities: bool = False
    """Whether the marks are log-odds and the axis is labelled with probabilities."""
    dense: bool = False
    """For many lines: they are close together, and on a phone have labels beside the marks and no texts."""
    legend: Mapping[str, str] = field(default_factory=dict)
    """The meaning of colours: from text to colour."""


def forest(lines: Sequence[Line], axis: Axis, canvas: Canvas) -> alt.LayerChart | None:
    """Marks with their intervals, one line below the other; None if there is no mark."""
    import altair as alt

    if not any(line.marks for line in lines):
        return None
    low, high = _ends(lines, axis)
    rows, height = _rows(lines, axis, canvas, (low, high))
    x = _x(axis, canvas, (low, high))
    y, colour = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "band").mark_rule(strokeWidth=13, color=INK, opacity=0.13).encode(x=x, x2=alt.X2("x2"), y=y),
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(x=x, y=y, y2=alt.Y2("y2")),
        of(rows, "dashed").mark_rule(color=INK, opacity=0.55, strokeDash=[4, 3]).encode(x=x, y=y, y2=alt.Y2("y2")),
        of(rows, "interval")
        .mark_rule(strokeWidth=3, strokeCap="round")
        .encode(x=x, x2=alt.X2("x2"), y=y, color=colour),
    ]
    hollow, diamond = alt.Stroke("colour:N", scale=None), alt.Fill("colour:N", scale=None)
    hues: dict[str, dict[str, Any]] = {"hollow": {"stroke": hollow}, "diamond": {"fill": diamond}}
    for shape, look in MARKS.items():
        layers.append(of(rows, shape).mark_point(**look).encode(x=x, y=y, **hues.get(shape, {"color": colour})))
    layers += [*_texts(rows, axis, canvas, y), *_legend(axis, y)]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _ends(lines: Sequence[Line], axis: Axis) -> Interval:
    if axis.bounds is not None:
        return axis.bounds
    found = [end for line in lines for mark in line.marks for end in (mark.at, *(mark.ci or ()))]
    found += [line.rule for line in lines if line.rule is not None] + ([] if axis.zero is None else [axis.zero])
    low, high = padded(min(found), max(found), axis.least)
    return low, high


def _room(axis: Axis, canvas: Canvas) -> tuple[int, int]:
    """Start and end of the axis, in pixels."""
    if canvas.narrow:
        return (128 if axis.dense else 6), canvas.width - 6
    return (210 if axis.dense else 320), canvas.width - 150


def _x(axis: Axis, canvas: Canvas, ends: Interval) -> alt.X:
    import altair as alt

    start, end = _room(axis, canvas)
    scale = alt.Scale(domain=list(ends), range=[start, end], nice=False, zero=False, clamp=True)
    title = one_line(axis.title)
    if not axis.probabilities:
        return alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=5 if canvas.narrow else 7, title=title))
    values = _round_shares(ends, end - start)
    shown = alt.Axis(values=values, labelExpr="format(1 / (1 + exp(-datum.value)), '.3~p')", grid=True, title=title)
    return alt.X("x:Q", scale=scale, axis=shown)


def _rows(lines: Sequence[Line], axis: Axis, canvas: Canvas, ends: Interval) -> tuple[list[Row], int]:
    """All that is drawn, with vertical positions in pixels from the top, and the height."""
    rows: list[Row] = []
    stacked = canvas.narrow and not axis.dense
    y, half = 20 if axis.legend else 0, 10 if axis.dense else 13
    for line in lines:
        lanes = max((mark.lane for mark in line.marks), default=0)
        head = line.style == "head"
        top = y + (6 if head and rows else 0)
        drop = 38 if stacked and line.label and line.style != "muted" and line.marks else 0
        middle = top + half + drop
        y = middle + lanes * LANE + half - (0 if line.marks or head else 4)
        kind = f"label {line.style}"
        rows.append({"kind": kind, "text": one_line(line.label), "y": middle - drop})
        rows.append({"kind": "text", "text": one_line(line.text), "y": middle - drop // 2})
        if not line.marks:
            continue
        span = {"y": middle - half, "y2": y}
        rows += [{"kind": "zero", "x": axis.zero, **span}] if axis.zero is not None else []
        rows += [{"kind": "dashed", "x": x, **span} for x in axis.dashed if ends[0] <= x <= ends[1]]
        rows += [{"kind": "dashed", "x": line.rule, **span}] if line.rule is not None else []
        if line.band is not None:
            rows.append({"kind": "band", "x": line.band[0], "x2": line.band[1], "y": middle})
        for mark in line.marks:
            place = {"y": middle + mark.lane * LANE, "colour": mark.colour}
            rows.append({"kind": mark.shape, "x": mark.at, **place})
            if mark.ci is not None:
                rows.append({"kind": "interval", "x": mark.ci[0], "x2": mark.ci[1], **place})
    return rows, y + 4


def _texts(rows: list[Row], axis: Axis, canvas: Canvas, y: alt.Y) -> Iterator[alt.Chart]:
    import altair as alt

    stacked = canvas.narrow and not axis.dense
    above, beside = canvas.width - (0 if stacked else 170), _room(axis, canvas)[0] - 12
    for style in ("plain", "bold", "head", *(() if stacked else ("muted",))):
        look: dict[str, Any] = {
            "fontWeight": "bold" if style in ("bold", "head") else "normal",
            "opacity": MUTED if style == "muted" else 1.0,
            "limit": above if stacked or style == "head" else beside,
        }
        label = of(rows, f"label {style}").mark_text(align="left", fontSize=12, color=INK, **look)
        yield label.encode(x=x_at(0), y=y, text=alt.Text("text:N"))
    if not (canvas.narrow and axis.dense):
        value = of(rows, "text").mark_text(align="left" if stacked else "right", fontSize=12, color=INK)
        yield value.encode(x=x_at(0 if stacked else canvas.width), y=y, text=alt.Text("text:N"))


def _legend(axis: Axis, y: alt.Y) -> Iterator[alt.Chart]:
    import altair as alt

    x = 0
    for name, colour in axis.legend.items():
        entry = chart([{"y": 8, "text": f"\N{BLACK CIRCLE} {one_line(name)}"}])
        yield entry.mark_text(align="left", fontSize=12, color=colour).encode(x=x_at(x), y=y, text=alt.Text("text:N"))
        x += 24 + 7 * len(name)


# The roundest first: if there is not room for all, the first ones stay.
# fmt: off
SHARES = (
    0.5, 0.1, 0.01, 0.9, 0.99, 0.001, 0.999, 0.2, 0.05, 0.8, 0.95, 0.3, 0.7, 0.02, 0.98, 0.005, 0.995, 0.15,
    0.4, 0.6, 0.08, 0.12, 0.03, 0.06, 0.25, 0.85, 0.97, 0.002, 0.0001, 0.9999,
)
# fmt: on


def logit(p: float) -> float:
    """Log-odds of a probability, which is first limited to what can be drawn."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _round_shares(ends: Interval, width: int) -> list[float]:
    """Log-odds of round probabilities between the ends, with room for a label around each."""
    least = 46 / width * (ends[1] - ends[0])
    ticks: list[float] = []
    for x in map(logit, SHARES):
        if ends[0] < x < ends[1] and all(abs(x - tick) >= least for tick in ticks):
            ticks.append(x)
    return sorted(ticks)


@dataclass(frozen=True)
class Cell:
    """One number of a matrix."""

    row: str
    column: str
    value: float
    text: str
    frame: Literal["", "solid", "dashed"] = ""


def matrix(
    cells: Sequence[Cell], titles: tuple[str, str], canvas: Canvas, ends: Interval | None = None
) -> alt.LayerChart | None:
    """Numbers by row and column, both in order of first appearance; None if there is no number. Colours go from blue
    through white at 0 to orange or, with ``ends``, from white to orange between these. ``titles`` are those of the rows
    and of the columns."""
    import altair as alt

    if not cells:
        return None
    data: list[Row] = [
        {name: one_line(value) if isinstance(value, str) else value for name, value in vars(cell).items()}
        for cell in cells
    ]
    rows, columns = (list(dict.fromkeys(row[key] for row in data)) for key in ("row", "column"))
    most = max(abs(row["value"]) for row in data) or 1.0
    scheme: tuple[Any, list[float]] = ("oranges", list(ends)) if ends else ("blueorange", [-most, 0, most])
    scale = alt.Scale(scheme=scheme[0], domain=scheme[1])
    left = 110 if canvas.narrow else 240
    side = min(96, (canvas.width - left) // len(columns))
    tilted = -40 if canvas.narrow or side < 80 else 0
    top = alt.Axis(orient="top", labelAngle=tilted, title=one_line(titles[1]) or None)
    y = alt.Y("row:N", sort=rows, axis=alt.Axis(labelLimit=left - 10, title=one_line(titles[0]) or None))
    base = chart(data).encode(x=alt.X("column:N", sort=columns, axis=top), y=y)
    dark = f"datum.value > {ends[0] + 0.7 * (ends[1] - ends[0])}" if ends else f"abs(datum.value) > {0.7 * most}"
    ink: Any = {"condition": {"test": dark, "value": "#ffffff"}, "value": "#111111"}
    frame: dict[str, Any] = {"fill": None, "stroke": INK, "strokeWidth": 1.5}
    layers = [
        base.mark_rect().encode(color=alt.Color("value:Q", scale=scale, legend=None)),
        base.mark_rect(**frame).transform_filter("datum.frame === 'solid'"),
        base.mark_rect(**frame, strokeDash=[3, 3]).transform_filter("datum.frame === 'dashed'"),
        base.mark_text(fontSize=max(7, min(13, side // 4))).encode(text=alt.Text("text:N"), color=ink),
    ]
    return alt.LayerChart(layer=layers).properties(width=side * len(columns), height=max(24, side // 2) * len(rows))
