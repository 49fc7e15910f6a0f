"""The figures of a study: the effect along an axis, and the matrix of models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.report.canvas import Canvas, Figure, Row, chart, figure
from undertone.report.svg import INK
from undertone.study.findings import AxisFound, KinFindings

if TYPE_CHECKING:
    import altair as alt

EFFECT, BESIDE = "#d55e00", "#0072b2"


def along_axis(axis: AxisFound) -> Figure | None:
    """Effect against place, with intervals; points beside the axis stand at its end, hollow."""
    return figure(f"axis-{axis.name}", f"Effect along {axis.name}", partial(_along, axis))


def every_pair(found: KinFindings) -> Figure | None:
    """Teachers' models in columns, students' in rows."""
    return figure("pairs", "Shift in log-odds by model of teacher and student", partial(_pairs, found))


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
        chart(beside).mark_point(filled=True, fill="white", size=80, opacity=1).encode(x=x, y=y, stroke=colour_of()),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 70, height=260)


def colour_of() -> Any:
    """Outlines in the colour of their row."""
    import altair as alt

    return alt.Stroke("colour:N", scale=None)


def _pairs(found: KinFindings, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    data: list[Row] = [
        {
            "teacher": cell.teacher.rpartition("/")[2],
            "student": cell.student.rpartition("/")[2],
            "shift": cell.made.effect.value,
            "label": f"{cell.made.effect.value:+z.{1 if canvas.narrow else 2}f}",
            "relation": cell.relation,
        }
        for cell in found.cells
    ]
    most = max(abs(row["shift"]) for row in data) or 1.0
    order = [model.rpartition("/")[2] for model in found.models]
    side = min(72, (canvas.width - 110) // len(order))
    x = alt.X("teacher:N", sort=order, title="model of the teachers", axis=alt.Axis(orient="top", labelAngle=-40))
    y = alt.Y("student:N", sort=order, title="model of the students", axis=alt.Axis(labelLimit=90))
    base = chart(data).encode(x=x, y=y)
    fill = alt.Color("shift:Q", scale=alt.Scale(scheme="blueorange", domain=[-most, 0, most]), legend=None)
    own = base.transform_filter("datum.relation == 'own'").mark_rect(fill=None, stroke=INK, strokeWidth=1.5)
    kin = base.transform_filter("datum.relation == 'kin'").mark_rect(
        fill=None, stroke=INK, strokeWidth=1.5, strokeDash=[3, 3]
    )
    strong: Any = {
        "condition": {"test": f"abs(datum.shift) > {0.7 * most}", "value": "#ffffff"},
        "value": "#111111",
    }
    text = base.mark_text(fontSize=max(7, min(13, side // 4))).encode(text="label:N", color=strong)
    layers = [base.mark_rect().encode(color=fill), own, kin, text]
    return alt.LayerChart(layer=layers).properties(width=side * len(order), height=max(24, side // 2) * len(order))
