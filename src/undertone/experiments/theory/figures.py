"""The figures of the theory: accuracy by logits, models by arm, cosines under the theorem's conditions and without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.experiments.theory.spec import DigitsArm
from undertone.report.canvas import Canvas, Figure, chart, figure
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.svg import INK
from undertone.report.words import interval

if TYPE_CHECKING:
    import altair as alt

ARMS: dict[DigitsArm, str] = {
    "untrained": "untrained",
    "teacher": "teacher",
    "own": "own initialisation",
    "other": "other initialisation",
    "own-all": "own, all logits",
    "other-all": "other, all logits",
}
CHANCE = 0.1


def accuracy_by_logits(f: DigitsFindings) -> Figure | None:
    """Accuracy of own-init and other-init students against the number of logits they imitate."""
    return figure("accuracy", "Accuracy by the number of logits imitated", partial(_by_logits, f))


def models_by_arm(f: DigitsFindings) -> Figure | None:
    """Every model of the arms that the headline is about."""
    chosen = [arm for arm in f.arms if arm.auxiliary in (None, f.shown)]
    colours = {"own": ORANGE, "own-all": ORANGE, "other": BLUE, "other-all": BLUE}
    lines = [_line(ARMS[arm.arm], arm.mean, colours.get(arm.arm, GREY), arm.models) for arm in chosen]
    axis = Axis("share of digits named (stroke: chance)", zero=CHANCE, least=0.1)
    return figure("models", "Accuracy of every model", partial(forest, lines, axis))


def condition_cosines(f: TheoremFindings) -> Figure | None:
    """Every cosine under the theorem's conditions."""
    lines = [
        _line(f"{c.problem.partition(': ')[2]}, {c.loss}", c.cosine, _colour(c.problem), c.cosines)
        for c in f.conditions
    ]
    title = "No step may lead away from the teacher's"
    return figure("conditions", title, partial(forest, lines, Axis("cosine", least=0.1)))


def broken_cosines(f: TheoremFindings) -> Figure | None:
    """Mean cosines without one premise each."""
    lines = []
    for b in f.broken:
        colour = _colour(b.problem)
        marks = Mark(b.cosine.value, b.cosine.ci, colour), Mark(b.net.value, b.net.ci, colour, "hollow", lane=1)
        label = f"{b.breach} ({b.problem.partition(':')[0]})"
        lines.append(Line(label, marks, f"{b.cosine.value:+.2f} {interval(b.cosine.ci)}", "bold"))
    return figure("broken", "What is left without one premise", partial(forest, lines, Axis("cosine", least=0.1)))


def _line(label: str, mean: Measured, colour: str, values: Sequence[float]) -> Line:
    dots = (Mark(value, colour=colour, shape="dot", lane=1) for value in values)
    text = f"{mean.value:+.2f} {interval(mean.ci)}"
    return Line(label, (*dots, Mark(mean.value, mean.ci, colour, "diamond")), text, "bold")


def _colour(problem: str) -> str:
    return GREEN if problem.startswith("language") else ORANGE


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
    scale = alt.Scale(domain=[ARMS["own"], ARMS["other"]], range=[ORANGE, BLUE])
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
