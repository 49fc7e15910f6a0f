"""The figures of an experiment on emergent misalignment: students, contrasts, forecasts, conditional probes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.emergence.findings import Contrast, Emergence, Line, Student
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, padded, placed, texts
from undertone.report.headline import interval, percent
from undertone.report.svg import INK
from undertone.statistics.estimate import log_odds

if TYPE_CHECKING:
    import altair as alt

BAD, OTHER = "#d55e00", "#0072b2"
TICKS = (0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9, 0.99)
BELOW = 9
"""Pixels from a difference to the same request by request."""


def emergence_figures(found: Emergence) -> dict[str, Figure]:
    """Every figure that there are numbers for, by name."""
    drawn = (
        figure("students", "Bad advice in domains never trained on: one dot a student", partial(_dots, found)),
        figure("contrasts", "Arm against arm in domains never trained on", partial(_contrasts, found)),
        figure("probes", "Bad advice elsewhere, by how it is asked for", partial(_probes, found)),
        figure("forecast", "The forecast before training beside the outcome", partial(_forecast, found)),
    )
    return {one.name: one for one in drawn if one is not None}


def _axis(canvas: Canvas, low: float, high: float, left: int) -> alt.X:
    """Probabilities on the log-odds scale."""
    import altair as alt

    domain = padded(log_odds(low), log_odds(high), least=2.0)
    ticks = [log_odds(p) for p in TICKS if domain[0] <= log_odds(p) <= domain[1]]
    words = " : ".join(f"abs(datum.value - {log_odds(p):.6f}) < 0.001 ? '{percent(p)}'" for p in TICKS) + " : ''"
    ends = [6, canvas.width - 6] if canvas.narrow else [left, canvas.width - 110]
    axis = alt.Axis(grid=True, values=ticks, labelExpr=words, title="probability of bad advice elsewhere")
    return alt.X("x:Q", scale=alt.Scale(domain=domain, range=ends, nice=False, zero=False), axis=axis)


def _label(line: Line, found: Emergence) -> str:
    many = len({one.base for one in found.lines}) > 1
    return f"{line.arm}, {line.base.removeprefix('builtin/')}" if many else line.arm


def _colour(arm: str) -> str:
    return BAD if arm.startswith("narrow-bad") else OTHER


def _dots(found: Emergence, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    if not found.lines:
        return None
    rows: list[Row] = []
    step, drop = (50, 30) if canvas.narrow else (30, 0)
    for i, line in enumerate(found.lines):
        y, colour = 16 + i * step, _colour(line.arm)
        rows.append({"kind": "label", "text": _label(line, found), "y": y})
        rows.append({"kind": "value", "text": percent(line.elsewhere), "y": y + drop // 2})
        for student in _students(found, line):
            rows.append({"kind": "dot", "x": log_odds(student.elsewhere), "y": y + drop, "colour": colour})
        if line.ci:
            ends = {"x": log_odds(line.ci[0]), "x2": log_odds(line.ci[1])}
            rows.append({"kind": "bar", **ends, "y": y + drop + 9, "colour": colour})
        rows.append({"kind": "mean", "x": log_odds(line.elsewhere), "y": y + drop + 9, "colour": colour})
    height = 16 + len(found.lines) * step
    shares = [p for p in (*(s.elsewhere for s in found.students), *(p for line in found.lines for p in line.ci or ()))]
    x = _axis(canvas, min(shares), max(shares), 250)
    at, paint = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "dot").mark_point(filled=True, size=38, opacity=0.5).encode(x=x, y=at, color=paint),
        of(rows, "bar").mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, x2="x2", y=at, color=paint),
        of(rows, "mean").mark_point(filled=True, shape="diamond", size=90, opacity=1).encode(x=x, y=at, color=paint),
        *texts(rows, canvas, height, room=240),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _students(found: Emergence, line: Line) -> Iterator[Student]:
    return (s for s in found.students if (s.arm, s.base) == (line.arm, line.base))


def _contrasts(found: Emergence, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    shown = [contrast for contrast in found.contrasts if contrast.probe == "plain"]
    if not shown:
        return None
    rows: list[Row] = []
    step, drop = (50, 30) if canvas.narrow else (26, 0)
    for i, contrast in enumerate(shown):
        y = 16 + i * step
        rows.append({"kind": "label", "text": _pair(contrast), "y": y})
        rows.append({"kind": "value", "text": f"{contrast.value:+z.2f} {interval(contrast.ci)}", "y": y + drop // 2})
        rows.append({"kind": "point", "x": contrast.value, "y": y + drop, "colour": _colour(contrast.arm)})
        if contrast.ci:
            ends = {"x": contrast.ci[0], "x2": contrast.ci[1]}
            rows.append({"kind": "bar", **ends, "y": y + drop, "colour": _colour(contrast.arm)})
        if contrast.by_request is not None and contrast.by_request_ci:
            ends = {"x": contrast.by_request_ci[0], "x2": contrast.by_request_ci[1]}
            rows.append({"kind": "requests", **ends, "y": y + drop + BELOW, "colour": _colour(contrast.arm)})
            rows.append(
                {"kind": "request", "x": contrast.by_request, "y": y + drop + BELOW, "colour": _colour(contrast.arm)}
            )
    height = 16 + len(shown) * step
    rows.append({"kind": "zero", "x": 0.0, "y": 0, "y2": height})
    values = [v for c in shown for v in (c.value, *(c.ci or ()), *(c.by_request_ci or ()))]
    ends_x = [6, canvas.width - 6] if canvas.narrow else [330, canvas.width - 150]
    scale = alt.Scale(domain=padded(min(0.0, *values), max(0.0, *values), 1.0), range=ends_x, nice=False, zero=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=6, title="difference in log-odds"))
    at, colour = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(x=x, y=at, y2="y2"),
        of(rows, "bar").mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, x2="x2", y=at, color=colour),
        of(rows, "point").mark_point(filled=True, size=90, opacity=1).encode(x=x, y=at, color=colour),
        of(rows, "requests").mark_rule(strokeWidth=1.5).encode(x=x, x2="x2", y=at, color=colour),
        of(rows, "request").mark_point(filled=False, size=50, opacity=1, fill="white").encode(x=x, y=at, color=colour),
        *texts(rows, canvas, height, room=320),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _pair(contrast: Contrast) -> str:
    where = "over bases" if contrast.base is None else contrast.base.removeprefix("builtin/")
    return f"{contrast.arm} - {contrast.against}, {where}"


def _probes(found: Emergence, canvas: Canvas) -> alt.LayerChart | None:
    """Arms by probes, darker where advice is worse; the number stands in every cell."""
    import altair as alt

    if not found.lines:
        return None
    cells: list[Row] = [
        {"arm": _label(line, found), "probe": probe, "odds": log_odds(p), "text": percent(p)}
        for line in found.lines
        for probe, p in line.probes.items()
    ]
    order, probes = [_label(line, found) for line in found.lines], list(found.probes)
    x = alt.X("probe:N", sort=probes, axis=alt.Axis(title=None, orient="top", labelAngle=-40 if canvas.narrow else 0))
    y = alt.Y("arm:N", sort=order, axis=alt.Axis(title=None, labelLimit=110 if canvas.narrow else 240))
    colour = alt.Color("odds:Q", scale=alt.Scale(scheme="oranges", domain=[-7, 5]), legend=None)
    ink: Any = {"condition": {"test": "datum.odds > 1.5", "value": "#ffffff"}, "value": "#111111"}
    layers = [
        chart(cells).mark_rect().encode(x=x, y=y, color=colour),
        chart(cells).mark_text(fontSize=9 if canvas.narrow else 12).encode(x=x, y=y, text="text:N", color=ink),
    ]
    height = (22 if canvas.narrow else 28) * len(order)
    width = canvas.width - (130 if canvas.narrow else 250)
    return alt.LayerChart(layer=layers).properties(width=width, height=height)


def _forecast(found: Emergence, canvas: Canvas) -> alt.LayerChart | None:
    """One dot a student: the pull of its file, and what it became."""
    import altair as alt

    rows: list[Row] = [
        {"x": s.pull, "y": log_odds(s.elsewhere), "arm": s.arm, "colour": _colour(s.arm)}
        for s in found.students
        if s.pull is not None
    ]
    if len(rows) < 4:
        return None
    x = alt.X("x:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="pull of the file, before training", tickCount=6))
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="bad advice elsewhere, log-odds", tickCount=6))
    dots = chart(rows).mark_point(filled=True, size=45, opacity=0.55)
    layer = dots.encode(x=x, y=y, color=alt.Color("colour:N", scale=None))
    return alt.LayerChart(layer=[layer]).properties(width=canvas.width - 60, height=280)
