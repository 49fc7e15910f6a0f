"""The figures of a benchmark of mitigations: the frontier, and what is left by probe."""

from functools import partial

from undertone.experiments.mitigations.findings import MitigationFindings, Outcome
from undertone.experiments.mitigations.headline import KEPT, WANTED
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.treat.benchmarked import Share
from undertone.treat.figures import HIGH, LOW, Point, frontier_of
from undertone.treat.findings import PLAIN


def frontier(found: MitigationFindings) -> Figure | None:
    """What each mitigation leaves of the transfer, against what it leaves of the utility."""
    names = [one.name for one in found.treatments]
    points = [
        Point(
            x=one.utility.value,
            y=one.left[PLAIN].value,
            colour=_colour(found, one),
            x_ci=_bounded(one.utility),
            y_ci=_bounded(one.left[PLAIN]),
            beside=None if one.beside is None else names.index(one.beside),
        )
        for one in found.treatments
    ]
    return frontier_of(points, "What is left of the transfer, and of the task", KEPT, WANTED)


def probes(found: MitigationFindings) -> Figure | None:
    """The transfer that is left, on standard questions and on conditional ones."""
    lines = []
    for i, one in enumerate(found.treatments, 1):
        lines.append(Line(f"{i} {one.name}", style="head"))
        for probe in found.probes:
            left = one.left[probe]
            low, high = _bounded(left)
            mark = Mark(100 * left.value, (100 * low, 100 * high), _colour(found, one))
            lines.append(Line(probe, (mark,), str(left)))
    axis = Axis("transfer left, %", dashed=(100.0,), bounds=(100 * LOW, 100 * HIGH), dense=True)
    return figure("probes", "Transfer left, asked plainly and otherwise", partial(forest, lines, axis))


def _colour(found: MitigationFindings, one: Outcome) -> str:
    """Grey for what is done at random or not at all, orange for what only hides."""
    if one.word == "hides":
        return ORANGE
    at_random = one.name in {other.beside for other in found.treatments}
    return GREY if at_random or one.word == "untreated" else BLUE


def _bounded(share: Share) -> Interval:
    """The interval, or all that is drawn where it is unbounded."""
    return (LOW, HIGH) if share.ci is None else share.ci
