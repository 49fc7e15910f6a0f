"""Draws the values of simulated trials without an effect.

Every drawing function returns one array, `(repetitions, teachers, students)`, for each argument of its estimator, or
for each stratum. The
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
    log_spread: float = 0.0
    """Teacher effects are log-normal with this spread on the log scale, centred and scaled, their long tail to the left
    where it is negative; 0 is normal."""
    strata_spread: float = 1.0
    """How many times as much slots of the second half of strata vary."""


STRONG = 1.0
"""Skewness 6.2."""
MILD = 0.38
"""Skewness 1.2, about that of the own traits of 43 students of each base (`benchmarks/calibrated.py`), net of harmless
ones: .87 for `fledgling-a`, 1.23 for `fledgling-b`."""
TWO_ARMS = (
    Scenario("normal, equal spread"),
    Scenario("normal, spread 3 : 1", treatment_spread=3.0),
    Scenario("skewed, equal spread", log_spread=STRONG),
    Scenario("skewed, spread 3 : 1", treatment_spread=3.0, log_spread=STRONG),
    Scenario("normal, spread 6 : 1", treatment_spread=6.0),  # roughly as in the owl experiment
)
SIX_TIMES = (
    Scenario("normal", treatment_spread=6.0),
    Scenario("mild skew to the right", treatment_spread=6.0, log_spread=MILD),
    Scenario("mild skew to the left", treatment_spread=6.0, log_spread=-MILD),
    Scenario("strong skew to the right", treatment_spread=6.0, log_spread=STRONG),
    Scenario("strong skew to the left", treatment_spread=6.0, log_spread=-STRONG),
)
STRATA = (*SIX_TIMES, Scenario("normal, half of the strata twice as spread", 6.0, strata_spread=2.0))


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


def slots(
    scenario: Scenario, counts: Sequence[int], traits: int, repetitions: int, rng: np.random.Generator
) -> tuple[Floats, ...]:
    """Returns, for each stratum, its slots' differences between a student of each trait and the control's student,
    which the traits of a slot share, `(repetitions, slots, traits)`.

    Traits of a slot vary independently of each other. If they vary alike, they are as one trait.
    """
    strata = []
    for index, count in enumerate(counts):
        spread = scenario.strata_spread if 2 * index >= len(counts) else 1.0
        of_traits = _students(scenario, scenario.treatment_spread, (repetitions, count, traits), rng)
        strata.append(spread * (of_traits - _students(scenario, scenario.control_spread, (repetitions, count, 1), rng)))
    return tuple(strata)


def teacher_effects(shape: tuple[int, ...], log_spread: float, rng: np.random.Generator) -> Floats:
    """Returns effects with mean zero and standard deviation 1, normal or log-normal as in `Scenario.log_spread`."""
    normal = rng.standard_normal(shape)
    if log_spread == 0:
        return normal
    growth = math.exp(log_spread**2)  # exp(N(0, s)) has mean exp(s² / 2) and variance (exp(s²) - 1) exp(s²)
    effects = (np.exp(abs(log_spread) * normal) - math.sqrt(growth)) / math.sqrt((growth - 1) * growth)
    return np.asarray(math.copysign(1, log_spread) * effects)


def _arm(scenario: Scenario, spread: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    of_teachers = spread * teacher_effects((*shape[:2], 1), scenario.log_spread, rng)
    return of_teachers + scenario.student_spread * rng.standard_normal(shape)


def _students(scenario: Scenario, spread: float, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Returns values of one student for each teacher, where each entry has a teacher of its own."""
    of_teachers = spread * teacher_effects(shape, scenario.log_spread, rng)
    return of_teachers + scenario.student_spread * rng.standard_normal(shape)
