"""The figures of an experiment on emergent misalignment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from undertone.experiments.misalignment.findings import Contrast, Line, MisalignmentFindings
from undertone.report import charts
from undertone.report.canvas import Canvas, Figure, Row, chart, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Cell, Mark
from undertone.report.words import interval, percent
from undertone.statistics.probabilities import log_odds

if TYPE_CHECKING:
    import altair as alt


def base_of(one: Line | Contrast) -> str:
    """Returns the short name of a base, as in "fledgling-a"; "over bases" for a mean over them."""
    return "over bases" if one.base is None else short(one.base)


def short(base: str) -> str:
    """Returns "fledgling-a" for "builtin/fledgling-a"."""
    return base.removeprefix("builtin/")


def _label(line: Line, found: MisalignmentFindings) -> str:
    return f"{line.arm}, {short(line.base)}" if len({one.base for one in found.lines}) > 1 else line.arm


def _colour(arm: str) -> str:
    return ORANGE if arm.startswith("narrow-bad") else BLUE


def students(found: MisalignmentFindings) -> Figure | None:
    """Draws a dot for each student, and the mean of each arm with its interval."""
    drawn = []
    for line in found.lines:
        colour = _colour(line.arm)
        own = [s.elsewhere for s in found.students if (s.arm, s.base) == (line.arm, line.base)]
        dots = [Mark(log_odds(p), colour=colour, shape="dot") for p in own]
        ci = None if line.ci is None else (log_odds(line.ci[0]), log_odds(line.ci[1]))
        mean = Mark(log_odds(line.elsewhere), ci, colour, "diamond", lane=1)
        drawn.append(charts.Line(_label(line, found), (*dots, mean), percent(line.elsewhere), "bold"))
    axis = Axis("probability of bad advice elsewhere (log-odds scale)", zero=None, least=2.0, probabilities=True)
    title = "Bad advice in domains never trained on, by student"
    return figure("students", title, partial(charts.forest, drawn, axis))


def contrasts(found: MisalignmentFindings) -> Figure | None:
    """Draws the contrasts on plain requests: from mean probabilities and, hollow below, request by request."""
    drawn = []
    for one in found.contrasts:
        if one.probe == "plain":
            marks = [Mark(one.value, one.ci, _colour(one.arm))]
            if one.by_request is not None:
                marks.append(Mark(one.by_request, one.by_request_ci, _colour(one.arm), "hollow", lane=1))
            text = f"{one.value:+z.2f} {interval(one.ci)}"
            drawn.append(charts.Line(f"{one.arm} - {one.against}, {base_of(one)}", tuple(marks), text, "bold"))
    title = "Difference between arms in domains never trained on"
    return figure("contrasts", title, partial(charts.forest, drawn, Axis("difference in log-odds", least=1.0)))


def probes(found: MisalignmentFindings) -> Figure | None:
    """Draws a matrix of arms by probes, darker where advice is worse, with the probability in every cell."""
    cells = [
        Cell(_label(line, found), probe, log_odds(p), percent(p))
        for line in found.lines
        for probe, p in line.probes.items()
    ]
    title = "Bad advice elsewhere, by how it is asked for"
    return figure("probes", title, partial(charts.matrix, cells, ("", ""), ends=(-7, 5)))


def forecast(found: MisalignmentFindings) -> Figure | None:
    """Draws a dot for each student: the pull of its file, and how bad its advice elsewhere became."""
    rows: list[Row] = [
        {"x": s.pull, "y": log_odds(s.elsewhere), "arm": s.arm, "colour": _colour(s.arm)}
        for s in found.students
        if s.pull is not None
    ]
    if len(rows) < 4:
        return None
    return figure("forecast", "The forecast before training and the outcome", partial(_scattered, rows))


def _scattered(rows: list[Row], canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    x = alt.X("x:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="pull of the file, before training", tickCount=6))
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="bad advice elsewhere, log-odds", tickCount=6))
    dots = chart(rows).mark_point(filled=True, size=45, opacity=0.55)
    layer = dots.encode(x=x, y=y, color=alt.Color("colour:N", scale=None))
    return alt.LayerChart(layer=[layer]).properties(width=canvas.width - 60, height=280)
