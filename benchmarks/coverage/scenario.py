"""Draws the values of simulated trials without an effect.

Every drawing function returns one array, `(repetitions, teachers, students)`, for each argument of its estimator. The
draws depend only on the generator, so a seed determines every bit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from undertone.statistics.arrays import Floats


@dataclass(frozen=True)
class Scenario:
    """How teachers and students vary. Spreads are standard deviations."""

    name: str
    """The name in the tables."""
    treatment_spread: float = 1.0
    """Between teachers of the treatment arm, or of the only arm."""
    control_spread: float = 1.0
    """Between teachers of the control arm."""
    student_spread: float = 0.5
    """Between students of one teacher; always normal."""
    skewed: bool = False
    """Whether teacher effects are log-normal (log-scale spread 1, skewness 6.2), centred and scaled, instead of
    normal."""


TWO_ARMS = (
    Scenario("normal, equal spread"),
    Scenario("normal, spread 3 : 1", treatment_spread=3.0),
    Scenario("skewed, equal spread", skewed=True),
    Scenario("skewed, spread 3 : 1", treatment_spread=3.0, skewed=True),
    Scenario("normal, spread 6 : 1", treatment_spread=6.0),  # roughly as in the owl experiment
)
ONE_ARM = (Scenario("normal"), Scenario("skewed", skewed=True))


def one_arm(
    scenario: Scenario, teachers: Sequence[int], students: int, repetitions: int, rng: np.random.Generator
) -> tuple[Floats]:
    """Returns values of a single arm with a true mean of zero."""
    (count,) = teachers
    return (_arm(scenario, scenario.treatment_spread, (repetitions, count, students), rng),)


def two_arms(
    scenario: Scenario, teachers: Sequence[int], students: int, repetitions: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Returns values of treatment and control."""
    spreads = (scenario.treatment_spread, scenario.control_spread)
    treatment, control = (
        _arm(scenario, spread, (repetitions, count, students), rng)
        for spread, count in zip(spreads, teachers, strict=True)
    )
    return treatment, control


def two_kinds(
    scenario: Scenario, teachers: Sequence[int], students: int, repetitions: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Returns values of two kinds of students that are trained on the same teachers' datasets.

    A dataset has one effect on students of both kinds, which differs between teachers. The scenario says how much its
    additional effect on the first kind varies.
    """
    (count,) = teachers
    shape = (repetitions, count, students)
    alike = rng.standard_normal((repetitions, count, 1))
    first = alike + _arm(scenario, scenario.treatment_spread, shape, rng)
    return first, alike + _arm(scenario, 0.0, shape, rng)


def two_arms_of_differences(
    scenario: Scenario, teachers: Sequence[int], students: int, repetitions: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Returns differences between own-initialisation and other-initialisation students, in treatment and control."""
    spreads = (scenario.treatment_spread, scenario.control_spread)
    kinds = (
        two_kinds(replace(scenario, treatment_spread=spread), [count], students, repetitions, rng)
        for spread, count in zip(spreads, teachers, strict=True)
    )
    treatment, control = (own - other for own, other in kinds)
    return treatment, control


def teacher_effects(shape: tuple[int, ...], skewed: bool, rng: np.random.Generator) -> Floats:
    """Returns effects with mean zero and standard deviation 1."""
    normal = rng.standard_normal(shape)
    if not skewed:
        return normal
    # exp(N(0, 1)) has mean sqrt(e) and variance (e - 1) e
    return (np.exp(normal) - math.sqrt(math.e)) / math.sqrt((math.e - 1) * math.e)


def _arm(scenario: Scenario, spread: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    of_teachers = spread * teacher_effects((*shape[:2], 1), scenario.skewed, rng)
    return of_teachers + scenario.student_spread * rng.standard_normal(shape)
