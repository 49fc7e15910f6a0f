"""The figures of the theory: accuracy by logits, models by arm, cosines under the theorem's conditions and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, padded, placed, texts
from undertone.report.headline import interval
from undertone.report.svg import INK
from undertone.theory.findings import DigitsArm, DigitsFindings, Measured, TheoremFindings

if TYPE_CHECKING:
    import altair as alt

# From the report's palette.
OWN, OTHER, PLAIN, NEITHER = "#d55e00", "#0072b2", "#009e73", "#888f98"
ARMS: dict[DigitsArm, str] = {
    "untrained": "untrained",
    "teacher": "teacher",
    "own": "own initialisation",
    "other": "other initialisation",
    "own-all": "own, all logits",
    "other-all": "other, all logits",
}
CHANCE = 0.1


@dataclass(frozen=True)
class Line:
    """One line of a figure: a label, values and a mean with its interval; a second mean stands below, hollow."""

    label: str
    mean: Measured
    colour: str
    values: Sequence[float] = ()
    second: Measured | None = None


def accuracy_by_logits(f: DigitsFindings) -> Figure | None:
    """Accuracy of own-init and other-init students against the number of logits they imitate."""
    return figure("accuracy", "Accuracy by the number of logits imitated", partial(_by_logits, f))


def models_by_arm(f: DigitsFindings) -> Figure | None:
    """Every model of the arms that the headline is about."""
    chosen = [arm for arm in f.arms if arm.auxiliary in (None, f.shown)]
    colours = {"own": OWN, "own-all": OWN, "other": OTHER, "other-all": OTHER}
    lines = [Line(ARMS[arm.arm], arm.mean, colours.get(arm.arm, NEITHER), arm.models) for arm in chosen]
    return figure(
        "models", "Accuracy of every model", partial(_lines, lines, CHANCE, "share of digits named (rule: chance)")
    )


def condition_cosines(f: TheoremFindings) -> Figure | None:
    """Every cosine under the theorem's conditions."""
    lines = [
        Line(f"{c.problem.partition(': ')[2]}, {c.loss}", c.cosine, _colour(c.problem), c.cosines) for c in f.conditions
    ]
    return figure("conditions", "No step may lead away from the teacher's", partial(_lines, lines, 0.0, "cosine"))


def broken_cosines(f: TheoremFindings) -> Figure | None:
    """Mean cosines without one premise each."""
    lines = [
        Line(f"{b.breach} ({b.problem.partition(':')[0]})", b.cosine, _colour(b.problem), second=b.net)
        for b in f.broken
    ]
    return figure("broken", "What is left without one premise", partial(_lines, lines, 0.0, "cosine"))


def _colour(problem: str) -> str:
    return PLAIN if problem.startswith("language") else OWN


def _by_logits(f: DigitsFindings, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    means = [
        {"logits": arm.auxiliary, "mean": arm.mean.value, "arm": ARMS[arm.arm], "low": ends[0], "high": ends[1]}
        for arm in f.arms
        if arm.arm in ("own", "other")
        for ends in [arm.mean.ci or (arm.mean.value, arm.mean.value)]
    ]
    counts = sorted({arm.auxiliary for arm in f.arms if arm.auxiliary})
    x = alt.X("logits:O", axis=alt.Axis(title="auxiliary logits", labelAngle=0), scale=alt.Scale(domain=counts))
    axis = alt.Axis(format=".0%", tickCount=6, title="digits named")
    y, y2 = alt.Y("mean:Q", axis=axis, scale=alt.Scale(domain=[0, 1])), alt.Y2("high:Q")
    scale = alt.Scale(domain=[ARMS["own"], ARMS["other"]], range=[OWN, OTHER])
    colour = alt.Color("arm:N", scale=scale, legend=alt.Legend(orient="top", title=None))
    teacher = f.arm("teacher", None).mean.value
    levels = chart([{"mean": teacher, "text": "teachers"}, {"mean": CHANCE, "text": "chance"}])
    layers = [
        levels.mark_rule(color=INK, strokeDash=[4, 3], opacity=0.6).encode(y=y),
        levels.mark_text(align="left", dy=-7, fontSize=11, color=INK).encode(x=alt.value(4), y=y, text="text:N"),
        chart(means).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        chart(means)
        .mark_rule(strokeWidth=3, strokeCap="round")
        .encode(x=x, y=alt.Y("low:Q", axis=axis), y2=y2, color=colour),
        chart(means).mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 70, height=260)


def _lines(lines: Sequence[Line], reference: float, title: str, canvas: Canvas) -> alt.LayerChart | None:
    """Labelled lines one below the other, against a reference."""
    import altair as alt

    if not lines:
        return None
    rows, height = _rows(lines, reference, canvas)
    edges = [row[key] for row in rows for key in ("x", "x2") if key in row]
    ends = [6, canvas.width - 6] if canvas.narrow else [330, canvas.width - 150]
    scale = alt.Scale(domain=padded(min(edges), max(edges), least=0.1), range=ends, nice=False, zero=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=6, title=title))
    at, colour = placed(height), alt.Color("colour:N", scale=None)
    filled, lined = alt.Fill("colour:N", scale=None), alt.Stroke("colour:N", scale=None)
    layers = [
        of(rows, "reference").mark_rule(color=INK, opacity=0.7).encode(x=x, y=at, y2="y2"),
        of(rows, "bar").mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, x2="x2", y=at, color=colour),
        of(rows, "dot").mark_point(filled=True, size=30, opacity=0.6).encode(x=x, y=at, fill=filled),
        of(rows, "mean")
        .mark_point(filled=True, shape="diamond", size=110, opacity=1, stroke=INK, strokeWidth=1)
        .encode(x=x, y=at, fill=filled),
        of(rows, "second")
        .mark_point(filled=True, shape="diamond", size=110, opacity=1, fill="white", strokeWidth=2)
        .encode(x=x, y=at, stroke=lined),
        *texts(rows, canvas, height, room=320),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _rows(lines: Sequence[Line], reference: float, canvas: Canvas) -> tuple[list[Row], int]:
    rows: list[Row] = []
    two = any(line.second is not None for line in lines)
    step, drop = (62 if two else 54, 36) if canvas.narrow else (36 if two else 27, 0)
    for index, line in enumerate(lines):
        y = 16 + index * step
        rows.append({"kind": "label", "text": line.label, "y": y})
        rows.append({"kind": "value", "text": f"{line.mean.value:+.2f} {interval(line.mean.ci)}", "y": y + drop // 2})
        rows.append(
            {"kind": "reference", "x": reference, "y": y + drop - step // 2 + drop // 2, "y2": y + drop + step // 2}
        )
        rows += [{"kind": "dot", "x": value, "y": y + drop + 7, "colour": line.colour} for value in line.values]
        for kind, mean, below in (("mean", line.mean, 0), ("second", line.second, 14)):
            if mean is None:
                continue
            place = {"y": y + drop + below, "colour": line.colour}
            rows.append({"kind": kind, "x": mean.value} | place)
            if mean.ci is not None:
                rows.append({"kind": "bar", "x": mean.ci[0], "x2": mean.ci[1]} | place)
    return rows, 16 + len(lines) * step
