"""The figures of a sweep: the effect along an axis, and the matrix of models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from undertone.experiments.sweep.findings import AxisFound, KinFindings
from undertone.report.canvas import Canvas, Figure, Row, chart, figure
from undertone.report.charts import Cell, matrix
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

EFFECT, BESIDE = "#d55e00", "#0072b2"


def along_axis(axis: AxisFound) -> Figure | None:
    """Effect against place, with intervals; points beside the axis stand at its end, hollow."""
    return figure(f"axis-{axis.name}", f"Effect along {axis.name}", partial(_along, axis))


def every_pair(found: KinFindings) -> Figure | None:
    """Teachers' models in columns, students' in rows."""
    framed = {"own": "solid", "kin": "dashed", "stranger": ""}
    cells = [
        Cell(
            cell.student.rpartition("/")[2],
            cell.teacher.rpartition("/")[2],
            cell.made.effect.value,
            f"{cell.made.effect.value:+z.2f}",
            framed[cell.relation],  # type: ignore[arg-type]
        )
        for cell in sorted(found.cells, key=lambda c: (found.models.index(c.student), found.models.index(c.teacher)))
    ]
    title = "Shift in log-odds by model of teacher and student"
    return figure("pairs", title, partial(matrix, cells, ("model of the students", "model of the teachers")))


def _along(axis: AxisFound, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    rows: list[Row] = []
    for point in axis.points:
        effect = point.made.effect
        low, high = effect.ci or (effect.value, effect.value)
        place = {"label": point.label, "effect": effect.value, "low": low, "high": high}
        rows.append(place | {"colour": EFFECT if point.at is not None else BESIDE, "on": point.at is not None})
    order = [point.label for point in axis.points]
    x = alt.X("label:N", sort=order, axis=alt.Axis(title=axis.name, labelAngle=-40 if canvas.narrow else 0))
    ends = [0.0, *(row[end] for row in rows for end in ("low", "high"))]
    scale = alt.Scale(domain=[min(ends) - 0.05, max(ends) + 0.05], nice=False)
    shown = alt.Axis(tickCount=6, title="log-odds against the control")
    y, colour = alt.Y("effect:Q", scale=scale, axis=shown), alt.Color("colour:N", scale=None)
    on, beside = ([row for row in rows if row["on"] is on] for on in (True, False))
    layers = [
        chart([{"effect": 0.0}]).mark_rule(color=INK, strokeDash=[4, 3], opacity=0.6).encode(y=y),
        chart(on).mark_line(strokeWidth=1.5, opacity=0.5, color=EFFECT).encode(x=x, y=y),
        chart(rows)
        .mark_rule(strokeWidth=3, strokeCap="round")
        .encode(x=x, y=alt.Y("low:Q", scale=scale, axis=shown), y2="high:Q", color=colour),
        chart(on).mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour),
        chart(beside)
        .mark_point(filled=True, fill="white", size=80, opacity=1)
        .encode(x=x, y=y, stroke=alt.Stroke("colour:N", scale=None)),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 70, height=260)
