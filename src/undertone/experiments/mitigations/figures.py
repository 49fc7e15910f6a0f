"""The figures of a benchmark of mitigations."""

from functools import partial

from undertone.experiments.mitigations.findings import MitigationFindings, Outcome
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.treat.benchmarked import Share
from undertone.treat.figures import HIGH, LOW, Point, frontier_of
from undertone.treat.findings import PLAIN


def frontier(found: MitigationFindings) -> Figure | None:
    """Draws what each mitigation leaves of the transfer against what it leaves of the utility."""
    names = [one.name for one in found.treatments]
    points = [
        Point(
            x=one.utility.value,
            y=one.left[PLAIN].value,
            colour=_colour(found, one),
            x_ci=_drawn(one.utility),
            y_ci=_drawn(one.left[PLAIN]),
            beside=None if one.beside is None else names.index(one.beside),
        )
        for one in found.treatments
    ]
    return frontier_of(points, "What is left of the transfer, and of the task")


def probes(found: MitigationFindings) -> Figure | None:
    """Draws the share of the transfer that each mitigation leaves, by probe."""
    lines = []
    for i, one in enumerate(found.treatments, 1):
        lines.append(Line(f"{i} {one.name}", style="head"))
        for probe in found.probes:
            low, high = _drawn(one.left[probe])
            mark = Mark(100 * one.left[probe].value, (100 * low, 100 * high), _colour(found, one))
            lines.append(Line(probe, (mark,), str(one.left[probe])))
    axis = Axis("transfer left, %", dashed=(100.0,), bounds=(100 * LOW, 100 * HIGH), dense=True)
    return figure("probes", "Transfer left, on plain and on conditional questions", partial(forest, lines, axis))


def _colour(found: MitigationFindings, one: Outcome) -> str:
    """Returns grey for controls and for the untreated file, orange for what only hides the trait, else blue."""
    if one.word == "hides":
        return ORANGE
    return GREY if one.word == "untreated" or any(one.name == other.beside for other in found.treatments) else BLUE


def _drawn(share: Share) -> Interval:
    """Returns the interval, or the whole range of the figure if it is unbounded."""
    return (LOW, HIGH) if share.ci is None else share.ci
