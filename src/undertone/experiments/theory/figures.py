"""The figures of the experiments on the theory."""

from collections.abc import Sequence
from functools import partial

from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.experiments.theory.spec import DigitsArm
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.words import interval

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
    """Draws the accuracy of "own" and, below, "other" students by the number of logits that they imitate."""
    lines = []
    for count in sorted(d.auxiliary for d in f.differences if not d.all_logits):
        own, other = f.arm("own", count).mean, f.arm("other", count).mean
        marks = Mark(own.value, own.ci, ORANGE), Mark(other.value, other.ci, BLUE, lane=1)
        lines.append(Line(f"{count} auxiliary logits", marks, f"{own.value:.2f} against {other.value:.2f}"))
    legend = {ARMS["own"]: ORANGE, ARMS["other"]: BLUE}
    dashed = (CHANCE, f.arm("teacher", None).mean.value)
    axis = Axis("accuracy", zero=None, dashed=dashed, bounds=(0.0, 1.0), legend=legend)
    return figure("accuracy", "Accuracy by the number of logits imitated", partial(forest, lines, axis))


def models_by_arm(f: DigitsFindings) -> Figure | None:
    """Draws every model of the arms that the headline is about."""
    colours = {"own": ORANGE, "own-all": ORANGE, "other": BLUE, "other-all": BLUE}
    lines = [
        _line(ARMS[arm.arm], arm.mean, colours.get(arm.arm, GREY), arm.models, sign="")
        for arm in f.arms
        if arm.auxiliary in (None, f.shown)
    ]
    axis = Axis("accuracy (stroke: chance)", zero=CHANCE, least=0.1)
    return figure("models", "Accuracy of every model", partial(forest, lines, axis))


def condition_cosines(f: TheoremFindings) -> Figure | None:
    """Draws every cosine where the theorem's premises hold."""
    lines = [
        _line(f"{c.problem.partition(': ')[2]}, {c.loss}", c.cosine, _colour(c.problem), c.cosines)
        for c in f.conditions
    ]
    title = "Cosine of the student's step with its teacher's"
    return figure("conditions", title, partial(forest, lines, Axis("cosine", least=0.1)))


def broken_cosines(f: TheoremFindings) -> Figure | None:
    """Draws the mean cosines with one premise broken."""
    lines = []
    for b in f.broken:
        colour = _colour(b.problem)
        marks = Mark(b.cosine.value, b.cosine.ci, colour), Mark(b.net.value, b.net.ci, colour, "hollow", lane=1)
        lines.append(Line(f"{b.breach} ({b.problem.partition(':')[0]})", marks, _text(b.cosine), "bold"))
    return figure("broken", "With one premise broken", partial(forest, lines, Axis("cosine", least=0.1)))


def _line(label: str, mean: Measured, colour: str, values: Sequence[float], sign: str = "+") -> Line:
    dots = (Mark(value, colour=colour, shape="dot", lane=1) for value in values)
    return Line(label, (*dots, Mark(mean.value, mean.ci, colour, "diamond")), _text(mean, sign), "bold")


def _text(mean: Measured, sign: str = "+") -> str:
    return f"{mean.value:{sign}.2f} {interval(mean.ci)}"


def _colour(problem: str) -> str:
    return GREEN if problem.startswith("language") else ORANGE
