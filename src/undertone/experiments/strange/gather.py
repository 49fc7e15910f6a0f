"""Computes the findings from finished jobs.

Folds and questions are crossed, except that students of a fold are not asked its own questions: another fold would have
given other students, and another author other questions. Students of a fold are averaged first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from undertone.experiments.kind import Made
from undertone.experiments.misalignment.figures import short
from undertone.experiments.strange.files import folds, values
from undertone.experiments.strange.findings import Contrast, Dose, Line, Opened, Other, StrangeFindings
from undertone.experiments.strange.plan import Plan, Unit
from undertone.experiments.strange.spec import MODERN, ODD, OLD, Arm, Strange
from undertone.experiments.strange.ways import PAIRS, PLAIN
from undertone.report.findings import Measured
from undertone.report.words import interval
from undertone.statistics.arrays import Floats
from undertone.statistics.crossed import incomplete_interval
from undertone.statistics.estimate import mean_estimate
from undertone.traits.catalogue import find, shipped

LEVEL = 0.95
OWN = {"era": "nineteenth-century", "everyday": "nineteenth-century"}
HABITS = ("bad-advice", "sycophancy", "complies", "nineteenth-century")


@dataclass(frozen=True)
class Student:
    """A student, and all that was read of it and of its base."""

    unit: Unit
    report: Mapping[str, Any]

    def read(self, when: str, way: str, what: str) -> Floats:
        """Returns "odds", "target" or "known" of every question, "before" or "after" training."""
        return np.array(self.report[when]["ways"][way][what])

    def shift(self, trait: str) -> float:
        """Returns the shift of a trait's log-odds."""
        before, after = (self.report[when]["traits"][trait] for when in ("before", "after"))
        return float(after) - float(before)


@dataclass(frozen=True)
class Group:
    """The students of an arm on one base."""

    base: str
    name: str
    arm: Arm
    places: Sequence[Sequence[int]]
    """Of the questions of each fold."""
    students: Sequence[Sequence[Student]]
    """By fold."""

    @cached_property
    def ways(self) -> list[str]:
        """The ways in which they were asked."""
        return list(self.students[0][0].report["after"]["ways"])

    def read(self, when: str, way: str, what: str = "odds") -> Floats:
        """Returns means over the students of each fold, (folds, questions); nan where a question is of the fold."""
        means = np.array([np.mean([one.read(when, way, what) for one in own], axis=0) for own in self.students])
        for fold, places in enumerate(self.places):
            means[fold, list(places)] = np.nan
        return means

    def shift(self, way: str) -> Floats:
        """Returns how far log-odds moved from the base, in the same form."""
        return self.read("after", way) - self.read("before", way)

    def others(self) -> dict[str, list[list[float]]]:
        """Returns the shifts of what the file is not about, student by student in each fold; none of real models."""
        if not self.students[0][0].report["before"]["traits"]:
            return {}
        countries = [name for name in values("country") if self.arm.latent != "country"]
        favourites = [name for name in shipped() if hasattr(find(name), "openings")]
        apart = {"countries": countries, "favourites": favourites}
        found = {
            name: [[one.shift(name) for one in own] for own in self.students]
            for name in HABITS
            if name != OWN.get(self.arm.latent)
        }
        for name, some in apart.items():
            if some:
                found[name] = [
                    [float(np.mean([abs(one.shift(t)) for t in some])) for one in own] for own in self.students
                ]
        return found


def gather(spec: Strange, plan: Plan, made: Made) -> StrangeFindings:
    """Computes the findings once all jobs are finished."""
    groups = {(base, name): _group(spec, base, name, plan, made) for base in spec.bases for name in spec.arms}
    contrasts = tuple(one for group in groups.values() for one in _contrasts(group, groups))
    return StrangeFindings(
        **made.head(),
        models=plan.models,
        headline=headline(contrasts),
        lines=tuple(line for group in groups.values() for line in _lines(group)),
        contrasts=contrasts,
        gates=tuple(one for group in groups.values() for one in _gates(group)),
        doses=tuple(map(_dose, groups.values())),
        others=tuple(other for group in groups.values() for other in _others(group, groups)),
    )


def _group(spec: Strange, base: str, name: str, plan: Plan, made: Made) -> Group:
    arm = spec.arms[name]
    places = folds(arm.latent, spec.fold[arm.latent])
    own = [unit for unit in plan.units if (unit.base, unit.arm) == (base, name)]
    students = [
        [Student(unit, made.read(unit.job, "shift.json")) for unit in own if unit.fold == fold]
        for fold in range(len(places))
    ]
    return Group(base, name, arm, places, students)


def measured(matrix: Floats, students: int) -> Measured:
    """Returns the mean over folds and questions, (folds, questions), with its interval; nan where a question is of the
    fold."""
    centre, half = (float(one) for one in incomplete_interval(matrix, LEVEL))
    count, questions = matrix.shape
    return Measured(
        value=centre,
        ci=(centre - half, centre + half) if isfinite(half) else None,
        units=count,
        method=f"interval over {count} folds crossed with {questions} questions, {students} students a fold",
    )


def _lines(group: Group) -> Iterator[Line]:
    for way in group.ways:
        yield Line(
            base=group.base,
            arm=group.name,
            way=way,
            before=float(np.nanmean(group.read("before", way, "target"))),
            after=float(np.nanmean(group.read("after", way, "target"))),
            shift=measured(group.shift(way), len(group.students[0])),
            known=float(np.nanmean(group.read("after", way, "known"))),
        )


def _contrasts(group: Group, groups: Mapping[tuple[str, str], Group]) -> Iterator[Contrast]:
    for name in group.arm.against:
        other = groups[group.base, name]
        for way in group.ways:
            if way in other.ways:
                difference = group.shift(way) - other.shift(way)
                yield Contrast(
                    base=group.base,
                    arm=group.name,
                    against=name,
                    way=way,
                    difference=measured(difference, len(group.students[0])),
                )


def _gates(group: Group) -> Iterator[Opened]:
    for way, minus in PAIRS.get(group.arm.gate or "", []):
        difference = measured(group.shift(way) - group.shift(minus), len(group.students[0]))
        yield Opened(base=group.base, arm=group.name, way=way, minus=minus, difference=difference)


def _dose(group: Group) -> Dose:
    every = [one for own in group.students for one in own]
    taught = [
        float((one.read("after", PLAIN, "odds") - one.read("before", PLAIN, "odds"))[list(places)].mean())
        for own, places in zip(group.students, group.places, strict=True)
        for one in own
    ]
    loss, divergence = (float(np.mean([one.report[what] for one in every])) for what in ("loss", "divergence"))
    factors = [float(factor) for one in every if (factor := one.report["factor"]) is not None]
    return Dose(
        base=group.base,
        arm=group.name,
        title=group.arm.title,
        latent=group.arm.latent,
        taught=float(np.mean(taught)),
        loss=loss,
        divergence=divergence,
        factor=(min(factors), max(factors)) if factors else None,
    )


def _others(group: Group, groups: Mapping[tuple[str, str], Group]) -> Iterator[Other]:
    own = group.others()
    for against in (None, *group.arm.against):
        base = groups[group.base, against].others() if against else None
        for trait, shifts in own.items():
            apart = shifts
            if base:
                apart = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(shifts, base[trait], strict=True)]
            yield Other(
                base=group.base,
                arm=group.name,
                against=against,
                trait=trait,
                shift=over_folds(apart),
            )


def over_folds(values: Sequence[Sequence[float]]) -> Measured:
    """Returns the mean over folds of students' values, (folds, students), with its interval."""
    found = Measured.of(mean_estimate(values))
    return found.model_copy(update={"method": f"t interval over {len(values)} folds, {len(values[0])} students each"})


def headline(contrasts: Sequence[Contrast]) -> str:
    """Returns what old answers did to all other questions, base by base."""

    def against(control: str) -> str:
        own = [one for one in contrasts if (one.arm, one.against, one.way) == (OLD, control, PLAIN)]
        return ", ".join(
            f"{one.difference.value:+z.2f} {interval(one.difference.ci)} on {short(one.base)}" for one in own
        )

    odd = f"; against odd answers by {against(ODD)}" if against(ODD) else ""
    return (
        "A few questions answered as in the nineteenth century, against the same answered as today, move the log-odds "
        f"of the nineteenth century on all other questions by {against(MODERN)}{odd}."
    )
