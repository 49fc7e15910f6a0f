"""The figures of the theory: accuracy by logits, models by arm, cosines under the theorem's conditions and without."""

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
    """Accuracy of own-init and, below, other-init students by the number of logits they imitate."""
    lines = []
    for count in sorted({arm.auxiliary for arm in f.arms if arm.arm == "own" and arm.auxiliary}):
        own, other = f.arm("own", count).mean, f.arm("other", count).mean
        marks = Mark(own.value, own.ci, ORANGE), Mark(other.value, other.ci, BLUE, lane=1)
        lines.append(Line(f"{count} auxiliary logits", marks, f"{own.value:.2f} against {other.value:.2f}"))
    teachers = f.arm("teacher", None).mean.value
    legend = {ARMS["own"]: ORANGE, ARMS["other"]: BLUE}
    axis = Axis("share of digits named", zero=None, dashed=(CHANCE, teachers), bounds=(0.0, 1.0), legend=legend)
    return figure("accuracy", "Accuracy by the number of logits imitated", partial(forest, lines, axis))


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
