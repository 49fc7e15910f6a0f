"""Arms whose students taught the next arm's: the trait, and what else they can do, from generation to generation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from undertone.experiments.trial.results import ArmResult, Effect, Results
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Line, Mark, forest
from undertone.report.words import percent


@dataclass(frozen=True)
class Generation:
    """One generation of lineages, with the control lineages beside it."""

    series: str
    """Name of the arm that the lineages began in."""
    number: int
    """From 1."""
    effect: Effect
    """The arm against its control, in log-odds."""
    arm: ArmResult
    control: ArmResult

    @property
    def skills(self) -> str:
        """Mean skill score of the arm, for a table."""
        return _mean_utility(self.arm)

    @property
    def control_skills(self) -> str:
        """The same of the control."""
        return _mean_utility(self.control)


def generations(results: Results) -> list[Generation]:
    """Every generation of every series that has more than one, in the order of the arms."""
    found = []
    for arm in results.arms:
        effect = results.effect(arm.name)
        control = results.arm(effect.against) if effect else None
        if effect and control:
            found.append(Generation(_origin(results, arm), arm.generation, effect, arm, control))
    handed_on = {one.series for one in found if one.number > 1}
    return [one for one in found if one.series in handed_on]


def _origin(results: Results, arm: ArmResult) -> str:
    earlier = results.arm(arm.after) if arm.after else None
    return _origin(results, earlier) if earlier else arm.name


def utility(arm: ArmResult) -> list[float]:
    """Mean skill score of each teacher's students; empty where no skill was measured."""
    values: dict[int, list[float]] = {}
    for student in arm.students:
        if student.skills:
            values.setdefault(student.teacher, []).append(sum(student.skills.values()) / len(student.skills))
    return [sum(own) / len(own) for _, own in sorted(values.items())]


def _mean_utility(arm: ArmResult) -> str:
    own = utility(arm)
    return percent(sum(own) / len(own)) if own else "-"


def effect_by_generation(found: Sequence[Generation]) -> Figure | None:
    """The effect of each generation with its interval, series by series, against zero."""
    lines = []
    for name, own in _by_series(found).items():
        lines.append(Line(name, style="head"))
        marks = {one.number: Mark(one.effect.value, one.effect.ci) for one in own}
        lines += [Line(f"generation {number}", (mark,)) for number, mark in marks.items()]
    axis = Axis("difference in log-odds", dense=True)
    return figure("generations", "The trait by generation", partial(forest, lines, axis))


def utility_by_generation(found: Sequence[Generation]) -> Figure | None:
    """Mean skill score of each generation, of lineages and, below, of their controls; a dot is a lineage."""
    lines = []
    for name, own in _by_series(found).items():
        lines.append(Line(name, style="head"))
        for one in own:
            marks = [*_scores(one.arm, ORANGE, 0), *_scores(one.control, BLUE, 1)]
            lines.append(Line(f"generation {one.number}", tuple(marks)))
    axis = Axis("mean score on skills, %", zero=None, least=10, dense=True, legend={"lineage": ORANGE, "control": BLUE})
    return figure("utility", "All other skills by generation", partial(forest, lines, axis))


def _scores(arm: ArmResult, colour: str, lane: int) -> Iterator[Mark]:
    scores = [100 * score for score in utility(arm)]
    yield from (Mark(score, colour=colour, shape="dot", lane=lane) for score in scores)
    if scores:
        yield Mark(sum(scores) / len(scores), colour=colour, shape="diamond", lane=lane)


def _by_series(generations: Sequence[Generation]) -> dict[str, list[Generation]]:
    found: dict[str, list[Generation]] = {}
    for one in generations:
        found.setdefault(one.series, []).append(one)
    return found
