"""Estimates of a trial: a value, an interval, and where a null hypothesis can be permuted, a p value.

The estimates take nested values, `values[teacher][student]`, and work on teacher means (see `nested`): a
trait is given to teachers, so several students of one teacher are one unit. Teachers weigh alike, whatever
their number of students. `docs/statistics.md` shows by simulation how far intervals and p can be trusted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from undertone.statistics.interval import largest, t_interval, welch_interval, welch_p
from undertone.statistics.nested import Floats, Nested, count_students, teacher_means
from undertone.statistics.permutation import Assignments, label_assignments, label_p, sign_assignments, sign_p


@dataclass(frozen=True)
class Estimate:
    """An effect with its interval and what both rest on."""

    value: float
    """Point estimate, in the unit of the values given."""
    ci_low: float
    """Lower end of the interval; minus infinity where the units do not vary at all."""
    ci_high: float
    """Upper end of the interval; infinity where the units do not vary at all."""
    p: float | None
    """Two-sided p value, or None where no hypothesis was tested."""
    level: float
    """Nominal coverage of the interval, such as 0.95."""
    units: tuple[int, ...]
    """Number of independent units in each arm."""
    unit: str
    """What one unit is."""
    method: str
    """How interval and p value were computed, in words for a report."""


@overload
def log_odds(p: float, epsilon: float = ...) -> float: ...
@overload
def log_odds(p: Sequence[float] | Floats, epsilon: float = ...) -> Floats: ...
def log_odds(p: ArrayLike, epsilon: float = 1e-6) -> float | Floats:
    """Natural log-odds of probabilities: a number gives a number, an array an array of the same shape.

    Probabilities are first clipped to `[epsilon, 1 - epsilon]`, so 0 and 1 become finite: with the default,
    -13.8 and 13.8. The default is near where a single-precision softmax stops resolving 1 - p. For a rate out
    of k sampled answers pass about `1 / (2 * k)`, or the clipped value outweighs all that was observed.
    Raises `ValueError` for a value outside [0, 1] or NaN, and for an epsilon outside (0, 0.5).
    """
    if not 0 < epsilon < 0.5:
        raise ValueError(f"epsilon is {epsilon}: it must lie strictly between 0 and 0.5")
    values = np.asarray(p, dtype=np.float64)
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        raise ValueError(f"{wrong.flat[0]} is not a probability: log-odds need values from 0 to 1")
    clipped = np.clip(values, epsilon, 1 - epsilon)
    odds = np.log(clipped) - np.log1p(-clipped)
    return float(odds) if values.ndim == 0 else np.asarray(odds)


def mean_estimate(values: Nested, level: float = 0.95) -> Estimate:
    """Mean over teachers with a t interval on teacher means, teachers - 1 degrees of freedom; no p value.

    Raises `ValueError` for fewer than two teachers (one has no interval, and never one of zero width), an
    empty teacher, or a value that is not finite, naming its index. Teachers with equal means give an infinite
    interval, and `method` says so.
    """
    _check_level(level)
    means = teacher_means(values)
    centre, half = t_interval(means, level, largest(means))
    how = f"t interval on {len(means)} teacher means ({count_students(values)} students inside)"
    return _estimate(centre, half, None, level, (len(means),), how)


def difference(treatment: Nested, control: Nested, level: float = 0.95, seed: int = 0) -> Estimate:
    """Mean of teacher means, treatment minus control, with Welch's interval and p.

    The interval is Welch's t with Satterthwaite's degrees of freedom on teacher means. In simulation it
    covers 94 to 97 % for normal teachers, 3 to 8 an arm, of equal or unequal spread; less where the arm that
    varies more is also very skewed, or smaller than the other (see `docs/statistics.md`).

    p is the larger of two two-sided p (see `difference_p`), so p of at most 1 - level implies an interval
    that excludes zero. The permutation test is exact up to 200,000 assignments, else Monte Carlo from `seed`,
    and bounds p from below by 2 / C(2n, n) for n teachers in each arm, 1 / C(n + m, n) for unequal arms:

        teachers an arm    2      3      4       5        6        8
        smallest p         .333   .100   .0286   .00794   .00216   .000155

    so with three teachers in each arm p cannot reach .05, whatever the effect.

    If neither arm varies between teachers there is nothing to base a width on: the interval is infinite,
    `method` says so, and p is the permutation test's. Raises `ValueError` as `mean_estimate` does, naming arm
    and index.
    """
    _check_level(level)
    a, b = teacher_means(treatment, "treatment"), teacher_means(control, "control")
    centre, half, df = welch_interval(a, b, level)
    assignments = label_assignments(len(a), len(b), seed)
    p = difference_p(a[None, :], b[None, :], assignments)
    students = f"{count_students(treatment)} + {count_students(control)} students inside"
    how = (
        f"Welch t interval (df {df:.1f}) on {len(a)} + {len(b)} teacher means ({students}); "
        f"p: the larger of Welch's t and the studentised permutation of teachers, {assignments.describe('assignments')}"
    )
    return _estimate(centre, half, float(p[0]), level, (len(a), len(b)), how)


def difference_p(treatment: Floats, control: Floats, assignments: Assignments) -> Floats:
    """The larger of Welch's t and the studentised permutation p: `(repetitions, teachers)` to `(repetitions,)`.

    The permutation p holds where labels do not matter at all, however teachers are distributed; Welch's, nearly,
    where teachers are normal, however unequal the arms' spread. The larger of the two holds where either does.
    """
    return np.maximum(welch_p(treatment, control), label_p(treatment, control, assignments))


def paired_difference(a: Nested, b: Nested, level: float = 0.95, seed: int = 0) -> Estimate:
    """Mean over teachers of `a[i] - b[i]`, where both hold students of the same teacher `i`.

    For two kinds of students taught from the same teachers' datasets. The interval is Student's t on the
    differences of means, pairs - 1 degrees of freedom. p is the two-sided sign-flip test: exact up to 17
    pairs, else Monte Carlo from `seed`. Its null hypothesis is that each difference is symmetric about zero.
    The smallest p for n pairs is 2 / 2^n: .125 for four, .0625 for five, .0312 for six; below six pairs p
    cannot reach .05.

    Raises `ValueError` as `mean_estimate` does and if `a` and `b` differ in their number of teachers. Equal
    differences give an infinite interval.
    """
    _check_level(level)
    if len(a) != len(b):
        raise ValueError(f"a holds {len(a)} teachers and b {len(b)}: pairs need the same teachers in both")
    of_a, of_b = teacher_means(a, "a"), teacher_means(b, "b")
    differences = of_a - of_b
    centre, half = t_interval(differences, level, np.maximum(largest(of_a), largest(of_b)))
    assignments = sign_assignments(len(differences), seed)
    how = (
        f"t interval on {len(differences)} differences within teachers "
        f"({count_students(a)} + {count_students(b)} students inside); "
        f"p: sign flips, {assignments.describe('assignments')}"
    )
    p = sign_p(differences[None, :], assignments)
    return _estimate(centre, half, float(p[0]), level, (len(differences),), how)


def mean_of_contrasts(contrasts: Sequence[float], level: float = 0.95, seed: int = 0) -> Estimate:
    """Mean over traits of one contrast each, with a t interval on traits and a sign-flip p.

    Traits are the units, as a sample of those that might have been taken; how their teachers vary is part of
    how they do. Contrasts that share teachers are not quite independent: `docs/statistics.md` shows what the
    interval covers all the same. p and equal contrasts are as in `paired_difference`. Raises `ValueError` for
    fewer than two contrasts, and for one that is not finite, naming its index.
    """
    _check_level(level)
    for index, contrast in enumerate(contrasts):
        if not math.isfinite(contrast):
            raise ValueError(f"contrasts[{index}] is {contrast}: every trait needs a finite value")
    if len(contrasts) < 2:
        raise ValueError(f"contrasts holds {len(contrasts)} trait(s): an interval over traits needs at least 2")
    values = np.asarray(contrasts, dtype=np.float64)
    centre, half = t_interval(values, level, largest(values))
    assignments = sign_assignments(len(values), seed)
    p = sign_p(values[None, :], assignments)
    how = f"t interval on {len(values)} traits' contrasts; p: sign flips, {assignments.describe('assignments')}"
    return _estimate(centre, half, float(p[0]), level, (len(values),), how, "trait")


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number by the step-down method of Holm (1979), in the order given.

    The adjusted values control the chance of any false rejection under any dependence. Each is at least its
    raw value and at most 1. Raises `ValueError` for a value outside [0, 1] or NaN, naming its index.
    """
    for index, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise ValueError(f"p_values[{index}] is {p}: p values lie from 0 to 1")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * float(p_values[index])))
        adjusted[index] = highest
    return adjusted


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it must lie strictly between 0 and 1, such as 0.95")


def _estimate(
    centre: Floats, half: Floats, p: float | None, level: float, units: tuple[int, ...], how: str, unit: str = "teacher"
) -> Estimate:
    value, width = float(centre), float(half)
    if math.isinf(width):
        how += f"; {unit}s do not vary, so the data give no finite interval"
    return Estimate(value, value - width, value + width, p, level, units, unit, how)
