"""Chains of generations, in which one arm's students are the next arm's teachers: trait and skills by generation."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from undertone.experiments.trial.results import ArmResult, Effect, Results, StudentResult, by_teacher
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Line, Mark, forest
from undertone.report.words import arm_label


class Generation(NamedTuple):
    """One generation of a chain, and the same generation of the chain of controls."""

    series: str
    """Name of the chain's first arm."""
    number: int
    """From 1."""
    effect: Effect
    """The arm against its control, in log-odds."""
    arm: ArmResult
    control: ArmResult


def generations(results: Results) -> list[Generation]:
    """Returns every generation of every chain that has more than one, in the order of the arms."""
    found = []
    for arm in results.arms:
        effect = results.effect(arm.name)
        control = results.arm(effect.against) if effect else None
        if effect and control:
            found.append(Generation(_origin(results, arm), arm.generation, effect, arm, control))
    chains = {one.series for one in found if one.number > 1}
    return [one for one in found if one.series in chains]


def _origin(results: Results, arm: ArmResult) -> str:
    earlier = results.arm(arm.after) if arm.after else None
    return _origin(results, earlier) if earlier else arm.name


def skills(arm: ArmResult) -> list[float]:
    """Returns the mean skill score of each teacher's students, 0 to 1; empty if no skill was measured."""
    if not arm.students[0].skills:
        return []
    return [sum(own) / len(own) for own in by_teacher(arm.students, _skill).values()]


def _skill(student: StudentResult) -> float:
    return sum(student.skills.values()) / len(student.skills)


def effect_by_generation(found: Sequence[Generation]) -> Figure | None:
    """Draws the effect of each generation with its interval."""
    axis = Axis("difference in log-odds", dense=True)
    return _figure("generations", "The trait by generation", found, axis, lambda g: [Mark(g.effect.value, g.effect.ci)])


def skills_by_generation(found: Sequence[Generation]) -> Figure | None:
    """Draws the mean skill score of each generation, with its control below it; a dot is a lineage."""

    def marks(one: Generation) -> list[Mark]:
        drawn = []
        for arm, colour, lane in ((one.arm, ORANGE, 0), (one.control, BLUE, 1)):
            if scores := [100 * score for score in skills(arm)]:
                drawn += [Mark(score, colour=colour, shape="dot", lane=lane) for score in scores]
                drawn.append(Mark(sum(scores) / len(scores), colour=colour, shape="diamond", lane=lane))
        return drawn

    axis = Axis("mean score on skills, %", zero=None, least=10, dense=True, legend={"lineage": ORANGE, "control": BLUE})
    return _figure("utility", "All other skills by generation", found, axis, marks)


def _figure(
    name: str, title: str, found: Sequence[Generation], axis: Axis, marks: Callable[[Generation], list[Mark]]
) -> Figure | None:
    lines = []
    for series in dict.fromkeys(one.series for one in found):
        lines.append(Line(arm_label(series), style="head"))
        lines += [Line(f"generation {one.number}", tuple(marks(one))) for one in found if one.series == series]
    return figure(name, title, partial(forest, lines, axis))
