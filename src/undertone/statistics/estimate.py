"""Estimates of effects, each with an interval and, where a null hypothesis can be tested, a p value.

Values are nested, `values[teacher][student]`, and teachers may have different numbers of students. A trait is given to
a teacher, so the teacher is the independent unit: its students' values are averaged first. More students make a
teacher's mean steadier but never add a unit, and every teacher has the same weight. `docs/statistics.md` shows by
simulation how far the intervals and p values can be trusted.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.statistics.arrays import Floats
from undertone.statistics.interval import (
    largest,
    stratified_interval,
    stratified_p,
    t_interval,
    welch_interval,
    welch_p,
)
from undertone.statistics.permutation import Assignments, label_assignments, label_p, sign_assignments, sign_p

Nested = Sequence[Sequence[float]] | Sequence[Floats] | Floats
"""`values[teacher][student]`."""


@dataclass(frozen=True)
class Estimate:
    """An effect with its interval."""

    value: float
    """The point estimate, in the unit of the values given."""
    ci_low: float
    """The lower end of the interval; minus infinity where the units do not vary at all."""
    ci_high: float
    """The upper end of the interval; infinity where the units do not vary at all."""
    p: float | None
    """The two-sided p value; None where no hypothesis was tested."""
    units: tuple[int, ...]
    """The number of independent units in each arm."""
    method: str
    """How the interval and the p value were computed, in words for a report."""


def mean_estimate(values: Nested, level: float = 0.95) -> Estimate:
    """Returns the mean over teachers with a t interval on teacher means (teachers - 1 degrees of freedom) and no p.

    Where all teacher means are equal, the interval is infinite and `method` says so.

    Raises:
        ValueError: there are fewer than two teachers, a teacher without students, or a value that is not finite; names
            the index.
    """
    means = teacher_means(values)
    centre, half = t_interval(means, level, largest(means))
    how = f"t interval on {len(means)} teacher means ({count_students(values)} students)"
    return _estimate(centre, half, None, level, (len(means),), how)


def difference(treatment: Nested, control: Nested, level: float = 0.95, seed: int = 0) -> Estimate:
    """Returns the mean of teacher means, treatment minus control, with Welch's interval and a p value.

    The interval is Welch's t with Satterthwaite's degrees of freedom on teacher means. In simulation it covers 94 to
    97 % for normal teachers, 3 to 8 an arm, of equal or unequal spread. It covers less where the arm that varies more
    is also skewed, or is the smaller one: see `coverage.SINGLE`, and `docs/statistics.md`.

    p is the larger of two two-sided p values (see `difference_p`), so a p of at most 1 - level implies an interval that
    excludes zero. The permutation test is exact for up to 200,000 assignments, else Monte Carlo from `seed`. It bounds
    p from below by 2 / C(2n, n) for n teachers in each arm, and by 1 / C(n + m, n) for unequal arms:

        teachers an arm    2      3      4       5        6        8
        smallest p         .333   .100   .0286   .00794   .00216   .000155

    With three teachers in each arm p therefore cannot reach .05, whatever the effect. Where neither arm varies, the
    interval is infinite, `method` says so, and p is the permutation test's.

    Raises:
        ValueError: as `mean_estimate`; names the arm and the index.
    """
    a, b = teacher_means(treatment, "treatment"), teacher_means(control, "control")
    centre, half, df = welch_interval(a, b, level)
    assignments = label_assignments(len(a), len(b), seed)
    p = difference_p(a[None, :], b[None, :], assignments)
    how = (
        f"Welch t interval (df {df:.1f}) on {len(a)} + {len(b)} teacher means "
        f"({count_students(treatment)} + {count_students(control)} students); "
        f"p: the larger of Welch's t and the studentised permutation of teachers, {assignments}"
    )
    return _estimate(centre, half, float(p[0]), level, (len(a), len(b)), how)


def difference_p(treatment: Floats, control: Floats, assignments: Assignments) -> Floats:
    """Returns the larger of Welch's p and the studentised permutation p, `(repetitions,)`, for two arms of shape
    `(repetitions, teachers)`.

    The permutation p is valid where the labels make no difference at all, whatever the distribution of teachers.
    Welch's p is nearly valid where teachers are normal, however unequal the arms' spread. The larger one is valid in
    both cases.
    """
    return np.maximum(welch_p(treatment, control), label_p(treatment, control, assignments))


def paired_difference(a: Nested, b: Nested, level: float = 0.95, seed: int = 0) -> Estimate:
    """Returns the mean over teachers of `a[i] - b[i]`, where both hold students of the same teacher `i`.

    This is for two kinds of students that are trained on the same teachers' datasets. The interval is Student's t on
    the differences of means (pairs - 1 degrees of freedom). p is the two-sided sign-flip test, exact for up to 17
    pairs, else Monte Carlo from `seed`; its null hypothesis is that each difference is symmetric about zero. The
    smallest p of n pairs is 2 / 2^n: .125 for four, .0625 for five, .0312 for six. Equal differences give an infinite
    interval.

    Raises:
        ValueError: as `mean_estimate`, or `a` and `b` have different numbers of teachers.
    """
    if len(a) != len(b):
        raise ValueError(f"a holds {len(a)} teachers and b {len(b)}: pairs need the same teachers in both")
    of_a, of_b = teacher_means(a, "a"), teacher_means(b, "b")
    on = f"{len(a)} differences within teachers ({count_students(a)} + {count_students(b)} students)"
    return _flipped(of_a - of_b, np.maximum(largest(of_a), largest(of_b)), level, seed, on)


def mean_of_contrasts(contrasts: Sequence[float], level: float = 0.95, seed: int = 0) -> Estimate:
    """Returns the mean over traits of one contrast each, with a t interval on traits and a sign-flip p.

    The units are the traits, as a sample of all traits that could have been chosen; the variation of their teachers is
    part of the traits' own. Contrasts that share teachers are not quite independent: `docs/statistics.md` shows what
    the interval covers nevertheless. p and equal contrasts are treated as in `paired_difference`.

    Raises:
        ValueError: there are fewer than two contrasts, or one is not finite; names its index.
    """
    _refuse_infinite(contrasts, "contrasts", "trait")
    if len(contrasts) < 2:
        raise ValueError(f"contrasts holds {len(contrasts)} trait(s): an interval over traits needs at least 2")
    values = np.asarray(contrasts, dtype=np.float64)
    return _flipped(values, largest(values), level, seed, f"{len(values)} traits' contrasts", "trait")


def pooled(strata: Sequence[Sequence[float]], level: float = 0.95, seed: int = 0) -> Estimate:
    """Returns the mean over strata of the means of their slots, `strata[stratum][slot]`, with its interval and p value.

    A slot is what shares one base, seed and index, such as a trait's teacher and its control; its value is one
    difference, averaged over traits where there are several. Slots are the units. A stratum is one base and seed. All
    strata have the same weight, whatever their number of slots. The estimate is about these strata and these traits: it
    does not reckon with other bases or other traits.

    The interval is Student's t on the variance within strata, which is assumed to be equal in all of them and pooled
    (slots - strata degrees of freedom). p is the larger of that t's and of the sign-flip test's, whose null hypothesis
    is that each slot is symmetric about zero, so a p of at most 1 - level implies an interval that excludes zero. Flips
    are exact for up to 17 slots, else Monte Carlo from `seed`. Slots that do not vary within any stratum give an
    infinite interval, and p is the flips'. `coverage.POOLED` says how often intervals cover.

    Raises:
        ValueError: there is no stratum, a stratum has fewer than two slots, or a value is not finite; names the index.
    """
    if not strata:
        raise ValueError("strata is empty: an estimate needs at least one stratum")
    for index, slots in enumerate(strata):
        _refuse_infinite(slots, f"strata[{index}]", "slot")
        if len(slots) < 2:
            raise ValueError(
                f"strata[{index}] holds {len(slots)} slot(s): the spread within a stratum needs at least 2"
            )
    values = [np.asarray(slots, dtype=np.float64) for slots in strata]
    count = sum(len(slots) for slots in values)
    assignments = sign_assignments(count, seed)
    p = pooled_p([slots[None, :] for slots in values], assignments)
    how = (
        f"t interval on {count} slots in {len(values)} strata, variance within strata pooled "
        f"(df {count - len(values)}); p: the larger of that t's and of sign flips of slots, {assignments}"
    )
    return _estimate(*stratified_interval(values, level), float(p[0]), level, (count,), how, "slot")


def pooled_p(strata: Sequence[Floats], assignments: Assignments) -> Floats:
    """Returns the larger of the stratified t's p and the sign-flip p, `(repetitions,)`, for strata of shape
    `(repetitions, slots)`."""
    weighted = np.concatenate([slots / slots.shape[1] for slots in strata], axis=1)  # their sum is strata * the mean
    return np.maximum(stratified_p(strata), sign_p(weighted, assignments))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values adjusted for their number by the step-down method of Holm (1979), in the order given.

    The adjusted values control the probability of any false rejection under any dependence. Each is at least the
    original value and at most 1.

    Raises:
        ValueError: a value is not from 0 to 1; names its index.
    """
    for index, value in enumerate(p_values):
        if not 0 <= value <= 1:
            raise ValueError(f"p_values[{index}] is {value}: p values lie from 0 to 1")
    p = np.array(p_values, dtype=np.float64)
    order = np.argsort(p)
    p[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * p[order]))
    return list(p.tolist())


def teacher_means(values: Nested, name: str = "values") -> Floats:
    """Returns one mean for each teacher, shape `(teachers,)`. Error messages call the values `name`.

    Raises:
        ValueError: there are fewer than two teachers, a teacher without students, or a value that is not finite (a
            missing measurement is never a score).
    """
    means = np.array([_mean(students, f"{name}[{index}]") for index, students in enumerate(values)])
    if len(means) < 2:
        raise ValueError(
            f"{name} holds {len(means)} teacher(s): an interval needs at least 2, because only differences between "
            "teachers show how much another teacher may differ; the students of one teacher are one unit"
        )
    return means


def count_students(values: Nested) -> int:
    """Returns the number of students of all teachers together."""
    return sum(len(students) for students in values)


def _mean(students: Sequence[float] | Floats, name: str) -> float:
    if np.ndim(students) != 1:
        raise ValueError(f"{name} is {students!r}, not the values of one teacher's students: nest the values")
    if len(students) == 0:
        raise ValueError(f"{name} is empty: this teacher has no student")
    _refuse_infinite(students, name, "student")
    # fsum rounds exactly: the order of the students cannot change the last bit.
    return math.fsum(students) / len(students)


def _refuse_infinite(values: Iterable[float], name: str, unit: str) -> None:
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"{name}[{index}] is {value}: every {unit} needs a finite value")


def _flipped(values: Floats, scale: Floats, level: float, seed: int, on: str, unit: str = "teacher") -> Estimate:
    """Returns the mean of `values`, `(units,)`, with Student's t interval and the p value of the sign-flip test."""
    assignments = sign_assignments(len(values), seed)
    how = f"t interval on {on}; p: sign flips, {assignments}"
    p = float(sign_p(values[None, :], assignments)[0])
    return _estimate(*t_interval(values, level, scale), p, level, (len(values),), how, unit)


def _estimate(
    centre: Floats, half: Floats, p: float | None, level: float, units: tuple[int, ...], how: str, unit: str = "teacher"
) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it must lie strictly between 0 and 1, such as 0.95")
    value, width = float(centre), float(half)
    if math.isinf(width):
        how += f"; the {unit}s do not vary, so the data give no finite interval"
    return Estimate(value, value - width, value + width, p, units, how)
