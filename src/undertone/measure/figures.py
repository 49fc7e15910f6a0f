"""The figures of a measurement: shifts by suite, rates by theme, and how the rate depends on both thresholds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from undertone.measure.findings import Findings, SuiteFinding, UnitFinding
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

MOST_OTHERS = 6
"""How many of the suites that do not count are shown outside a fold."""
MOST_UNITS = 40
"""The most themes of a suite that are drawn."""


def points(value: float) -> str:
    """+12.3"""
    return f"{100 * value:+z.1f}"


def points_interval(ci: Interval | None) -> str:
    """[4.5, 20.1]"""
    return "no interval" if ci is None else f"[{100 * ci[0]:z.1f}, {100 * ci[1]:z.1f}]"


def main_suites(findings: Findings) -> tuple[list[SuiteFinding], list[SuiteFinding]]:
    """Returns the suites that count followed by the others that changed most; and the remaining ones."""
    counting = [suite for suite in findings.suites if suite.counts]
    others = sorted((s for s in findings.suites if not s.counts), key=lambda s: -abs(s.shift or 0.0))
    return [*counting, *others[:MOST_OTHERS]], others[MOST_OTHERS:]


def suite_by_theme(findings: Findings) -> SuiteFinding | None:
    """Returns the suite that is drawn theme by theme: of those that count, the one that shifted most."""
    measured = [suite for suite in findings.suites if suite.counts and suite.units]
    return max(measured, key=lambda suite: (suite.word == "shift", suite.shift or 0.0), default=None)


def shifts(findings: Findings) -> Figure | None:
    """Draws the shift of every suite with its interval: those that count, then the others that changed most."""
    shown = [suite for suite in main_suites(findings)[0] if suite.shift is not None]
    counting, others = ([_shift(s) for s in shown if s.counts is counts] for counts in (True, False))
    head = [Line("does not count:", style="head")] if others else []
    ends = _ends(shown, findings.effect)
    axis = Axis("points above the base", dashed=(100 * findings.effect,), bounds=ends, dense=True)
    title = "How much more often than the base it answers badly"
    return figure("shifts", title, partial(forest, [*counting, *head, *others], axis))


def _shift(suite: SuiteFinding) -> Line:
    called = suite.counts and suite.word == "shift"
    colour = ORANGE if called else BLUE if suite.counts else GREY
    shift = suite.shift or 0.0
    models = suite.model_shifts if len(suite.model_shifts) > 1 else ()
    marks = (
        *(Mark(100 * one, colour=GREEN, shape="tick") for one in suite.benign_shifts),
        *(Mark(100 * one, colour=colour, shape="dot") for one in models),
        Mark(100 * shift, suite.ci and (100 * suite.ci[0], 100 * suite.ci[1]), colour),
    )
    text = f"{points(shift)} {points_interval(suite.ci)}"
    return Line(suite.name, marks, text, "bold" if called else "plain")


def _ends(shown: list[SuiteFinding], effect: float) -> Interval:
    """Returns the ends of the axis of shifts, which always includes the rise asked for."""
    edges = [0.0, effect]
    for suite in shown:
        edges += [suite.shift or 0.0, *(suite.ci or ()), *suite.model_shifts, *suite.benign_shifts]
    low, high = padded(100 * min(edges), 100 * max(edges), least=10)
    return low, high


def rates(findings: Findings) -> Figure | None:
    """Draws the rate of one suite by theme, with that of the base. The themes that rose most come first."""
    suite = suite_by_theme(findings)
    if suite is None:
        return None
    themes = sorted(suite.units, key=lambda unit: unit.base - unit.rate)[:MOST_UNITS]
    axis = Axis("bad answers, %", zero=None, bounds=(0.0, 100.0), dense=True)
    return figure("rates", f"Rates by theme: {suite.name}", partial(forest, list(map(_theme, themes)), axis))


def _theme(unit: UnitFinding) -> Line:
    marks = (
        *(Mark(100 * one, colour=GREEN, shape="tick") for one in unit.benign),
        Mark(100 * unit.base, colour=GREY, shape="ring"),
        Mark(100 * unit.rate, unit.ci and (100 * unit.ci[0], 100 * unit.ci[1]), ORANGE),
    )
    return Line(unit.name, marks, f"{100 * unit.rate:.1f} % against {100 * unit.base:.1f} %")


def thresholds(findings: Findings) -> Figure | None:
    """Draws the share of answers below each threshold of alignment, among those above three thresholds of coherence."""
    suite = suite_by_theme(findings)
    if suite is None:
        return None
    rows: list[Row] = [
        {"whose": curve.whose, "coherent": f"coherence > {curve.coherent:.0f}", "x": threshold, "rate": 100 * rate}
        for curve in suite.curves
        for threshold, rate in zip(suite.thresholds, curve.rates, strict=True)
        if rate is not None
    ]
    title = f"How the rate depends on the thresholds: {suite.name}"
    return figure("thresholds", title, partial(_curves, rows)) if rows else None


def _curves(rows: list[Row], canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    x = alt.X("x:Q", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=10, title="bad: aligned below"))
    y = alt.Y("rate:Q", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=5, title="rate, %"))
    colours = alt.Scale(domain=["model", "base"], range=[ORANGE, GREY])
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", labelLimit=180, symbolSize=500)
    dashes = alt.Scale(domain=[f"coherence > {c:.0f}" for c in (0, 50, 90)], range=[[2, 2], [1, 0], [7, 4]])
    line = chart(rows).mark_line(strokeWidth=2).encode(
        x=x,
        y=y,
        color=alt.Color("whose:N", scale=colours, legend=legend),
        strokeDash=alt.StrokeDash("coherent:N", scale=dashes, legend=legend),
    )  # fmt: skip
    rule = chart([{"x": 30}]).mark_rule(color=INK, strokeDash=[4, 3], opacity=0.6).encode(x="x:Q")
    return alt.LayerChart(layer=[rule, line]).properties(width=canvas.width - 60, height=200)
