"""The figure of a watch: how far each trait rose, step by step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from undertone.report.canvas import Canvas, Figure, Row, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE
from undertone.report.svg import INK
from undertone.watch.findings import Findings

if TYPE_CHECKING:
    import altair as alt

COLOURS = (ORANGE, BLUE, GREEN, "#cc79a7", "#e69f00", GREY)
"""Of the traits that are drawn, those that rose most."""


def curves(findings: Findings) -> Figure | None:
    """Draws the rises of the traits that rose most, and the limit if there is one."""
    names = [trait.name for trait in findings.traits[: len(COLOURS)]]
    rows: list[Row] = [
        {"trait": one.trait, "x": one.step, "rise": 100 * one.rise}
        for one in findings.measurements
        if one.rise is not None and one.trait in names
    ]
    limit = None if findings.stop_at is None else 100 * findings.stop_at
    title = "How much likelier each trait became while the model was trained"
    return figure("rises", title, partial(_curves, rows, names, limit))


def _curves(rows: list[Row], names: list[str], limit: float | None, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    ends = [row["rise"] for row in rows] + ([] if limit is None else [limit])
    y = alt.Y("rise:Q", scale=alt.Scale(domain=list(padded(min(ends), max(ends), least=2)), nice=False, zero=False))
    colours = alt.Scale(domain=names, range=list(COLOURS[: len(names)]))
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", symbolSize=200)
    line = chart(rows).mark_line(strokeWidth=2, point=True).encode(
        x=alt.X("x:Q", axis=alt.Axis(title="step", tickCount=5 if canvas.narrow else 10, tickMinStep=1)),
        y=y.axis(alt.Axis(title="points above step 0", tickCount=6)),
        color=alt.Color("trait:N", scale=colours, legend=legend),
    )  # fmt: skip
    rules = [chart([{"y": 0.0}]).mark_rule(color=INK, opacity=0.6).encode(y="y:Q")]
    if limit is not None:
        rules.append(chart([{"y": limit}]).mark_rule(color=INK, strokeDash=[4, 3], opacity=0.6).encode(y="y:Q"))
    return alt.LayerChart(layer=[*rules, line]).properties(width=canvas.width - 60, height=240)
