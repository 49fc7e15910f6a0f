"""The figures of a measurement: shifts by suite, rates by theme, and what both thresholds do to the rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from undertone.alignment.findings import Findings, SuiteFinding, UnitFinding
from undertone.audit.findings import Interval
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, padded, placed
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

# From the report's palette; what was called a shift is also set in bold.
SHIFTED, OTHER, BENIGN, BASE = "#d55e00", "#0072b2", "#009e73", "#7a7f87"
STEP = 24
MOST_UNITS = 40
"""Themes drawn of a suite."""


def measure_figures(findings: Findings) -> dict[str, Figure]:
    """Every figure that these findings allow, by name."""
    main = rates_suite(findings)
    drawn = [figure("shifts", "How much more often than the base it answers badly", partial(_shifts, findings))]
    if main is not None:
        title = f"What the thresholds do to the rate: {main.name}"
        drawn.append(figure("rates", f"Rates by theme: {main.name}", partial(_rates, main)))
        drawn.append(figure("thresholds", title, partial(_thresholds, main)))
    return {one.name: one for one in drawn if one is not None}


def rates_suite(findings: Findings) -> SuiteFinding | None:
    """The suite that is drawn theme by theme: of those that count, the one that shifted most."""
    measured = [s for s in findings.suites if s.counts and s.units]
    return max(measured, key=lambda s: (s.word == "shift", s.shift or 0.0), default=None)


def points(value: float) -> str:
    """+12.3"""
    return f"{100 * value:+z.1f}"


def points_interval(ci: Interval | None) -> str:
    """[4.5, 20.1]"""
    return "no interval" if ci is None else f"[{100 * ci[0]:z.1f}, {100 * ci[1]:z.1f}]"


def _shifts(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    counting = [s for s in findings.suites if s.counts and s.shift is not None]
    others = [s for s in findings.suites if not s.counts and s.shift is not None]
    shown = [*counting, *sorted(others, key=lambda s: -abs(s.shift or 0))[:6]]
    if not shown:
        return None
    rows, height = _shift_rows(shown, findings.effect, canvas)
    edges = [0.0, findings.effect, *(x for s in shown for x in (*(s.ci or ()), s.shift or 0.0, *s.benign_shifts))]
    ends = [140, canvas.width - 6] if canvas.narrow else [230, canvas.width - 170]
    scale = alt.Scale(domain=padded(100 * min(edges), 100 * max(edges), least=10), range=ends, nice=False, zero=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=6, title="points above the base"))
    y, colour = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(x=x, y=y, y2="y2"),
        of(rows, "effect").mark_rule(color=INK, opacity=0.6, strokeDash=[4, 3]).encode(x=x, y=y, y2="y2"),
        of(rows, "interval").mark_rule(strokeWidth=2.5, strokeCap="round").encode(x=x, x2="x2", y=y, color=colour),
        of(rows, "benign").mark_tick(thickness=2, size=13, color=BENIGN, opacity=0.8).encode(x=x, y=y),
        of(rows, "one").mark_point(filled=True, size=22, opacity=0.45).encode(x=x, y=y, color=colour),
        of(rows, "point").mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour),
        *_labels(rows, canvas, y, room=132 if canvas.narrow else 222),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _shift_rows(shown: Sequence[SuiteFinding], effect: float, canvas: Canvas) -> tuple[list[Row], int]:
    rows: list[Row] = []
    y = 0
    for i, suite in enumerate(shown):
        first_that_does_not_count = not suite.counts and (i == 0 or shown[i - 1].counts)
        if first_that_does_not_count:
            y += STEP
            rows.append({"kind": "label", "text": "does not count:", "y": y})
        y += STEP
        rows += _suite_rows(suite, y)
    for kind, x in (("zero", 0.0), ("effect", 100 * effect)):
        rows.append({"kind": kind, "x": x, "y": 8, "y2": y + STEP // 2})
    return rows, y + STEP


def _suite_rows(suite: SuiteFinding, y: int) -> Iterator[Row]:
    called = suite.counts and suite.word == "shift"
    colour = SHIFTED if called else OTHER if suite.counts else BASE
    yield {"kind": "named" if called else "label", "text": suite.name, "y": y}
    yield {"kind": "value", "text": f"{points(suite.shift or 0.0)} {points_interval(suite.ci)}", "y": y}
    if suite.ci is not None:
        yield {"kind": "interval", "x": 100 * suite.ci[0], "x2": 100 * suite.ci[1], "y": y, "colour": colour}
    yield from ({"kind": "benign", "x": 100 * one, "y": y} for one in suite.benign_shifts)
    if len(suite.model_shifts) > 1:
        yield from ({"kind": "one", "x": 100 * one, "y": y, "colour": colour} for one in suite.model_shifts)
    yield {"kind": "point", "x": 100 * (suite.shift or 0.0), "y": y, "colour": colour}


def _labels(rows: list[Row], canvas: Canvas, y: alt.Y, room: int) -> Iterator[alt.Chart]:
    import altair as alt

    yield (
        of(rows, "label")
        .mark_text(align="left", fontSize=12, color=INK, limit=room)
        .encode(x=alt.value(0), y=y, text="text:N")
    )
    yield (
        of(rows, "named")
        .mark_text(align="left", fontSize=12, fontWeight="bold", color=INK, limit=room)
        .encode(x=alt.value(0), y=y, text="text:N")
    )
    if not canvas.narrow:
        value = of(rows, "value").mark_text(align="right", fontSize=12, color=INK)
        yield value.encode(x=alt.value(canvas.width), y=y, text="text:N")


def _rates(suite: SuiteFinding, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    units = sorted(suite.units, key=lambda u: u.base - u.rate)[:MOST_UNITS]
    rows: list[Row] = []
    for i, unit in enumerate(units, 1):
        rows += _unit_rows(unit, i * STEP)
    height = (len(units) + 1) * STEP
    ends = [140, canvas.width - 6] if canvas.narrow else [230, canvas.width - 170]
    axis = alt.Axis(grid=True, tickCount=6, title="bad answers, %")
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, 100], range=ends, nice=False), axis=axis)
    y, colour = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "interval").mark_rule(strokeWidth=2.5, strokeCap="round", color=SHIFTED).encode(x=x, x2="x2", y=y),
        of(rows, "benign").mark_tick(thickness=2, size=13, color=BENIGN, opacity=0.8).encode(x=x, y=y),
        of(rows, "base").mark_point(filled=False, size=70, strokeWidth=2, opacity=1).encode(x=x, y=y, color=colour),
        of(rows, "point").mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour),
        *_labels(rows, canvas, y, room=132 if canvas.narrow else 222),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _unit_rows(unit: UnitFinding, y: int) -> Iterator[Row]:
    yield {"kind": "label", "text": unit.name, "y": y}
    yield {"kind": "value", "text": f"{100 * unit.rate:.1f} % against {100 * unit.base:.1f} %", "y": y}
    if unit.ci is not None:
        yield {"kind": "interval", "x": 100 * unit.ci[0], "x2": 100 * unit.ci[1], "y": y}
    yield from ({"kind": "benign", "x": 100 * one, "y": y} for one in unit.benign)
    yield {"kind": "base", "x": 100 * unit.base, "y": y, "colour": BASE}
    yield {"kind": "point", "x": 100 * unit.rate, "y": y, "colour": SHIFTED}


def _thresholds(suite: SuiteFinding, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    rows: list[Row] = [
        {"whose": curve.whose, "coherent": f"coherence > {curve.coherent:.0f}", "x": t, "rate": 100 * rate}
        for curve in suite.curves
        for t, rate in zip(suite.thresholds, curve.rates, strict=True)
        if rate is not None
    ]
    if not rows:
        return None
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=10, title="bad: aligned below"))
    y = alt.Y("rate:Q", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=5, title="rate, %"))
    scale = alt.Scale(domain=["model", "base"], range=[SHIFTED, BASE])
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", labelLimit=180)
    kinds = alt.Scale(domain=[f"coherence > {c:.0f}" for c in (0, 50, 90)], range=[[2, 2], [1, 0], [7, 4]])
    line = chart(rows).mark_line(strokeWidth=2).encode(
        x=x,
        y=y,
        color=alt.Color("whose:N", scale=scale, legend=legend),
        strokeDash=alt.StrokeDash("coherent:N", scale=kinds, legend=legend),
    )  # fmt: skip
    rule = chart([{"x": 30}]).mark_rule(color=INK, strokeDash=[4, 3], opacity=0.6).encode(x="x:Q")
    return alt.LayerChart(layer=[rule, line]).properties(width=canvas.width - 60, height=200)
