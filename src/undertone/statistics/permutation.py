"""Permutation tests on teacher means: exact where all assignments can be enumerated, else Monte Carlo.

For two arms, the teachers' labels are permuted and Welch's t is computed anew for each assignment. Studentising keeps
the test exact where the arms are exchangeable. Unlike the plain difference of means, it also makes the test valid for
large arms of unequal variance and size (Janssen 1997; Chung and Romano 2013, doi:10.1214/13-AOS1090). For arms of equal
size the two tests are the same: the sum of squares within the arms is the fixed total minus the part between them, so
|t| grows with the |difference|. The statistic is t² / (t² + 1), which orders assignments as |t| does and stays finite
where the arms do not vary.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

import numpy as np

from undertone.statistics.arrays import Floats

EXACT_LIMIT = 200_000
"""The largest number of assignments that is enumerated. Where there are more, `DRAWS` random ones are drawn."""
DRAWS = 99_999
"""Random assignments of a Monte Carlo test. With the observed one they are 100,000, so p is a round number."""
_TIE = 1e-9  # statistics that differ by less are equal up to rounding; counting them as ties can only raise p
_BLOCK = 500_000  # statistics held at once: a few megabytes


@dataclass(frozen=True)
class Assignments:
    """Ways to assign teachers: the rows of `matrix`, shape `(assignments, teachers)`."""

    matrix: Floats
    """Labels (1 for treatment, 0 for control) or signs (1, -1)."""
    exact: bool
    """Whether the rows are all possible assignments, including the observed one."""

    def __post_init__(self) -> None:
        self.matrix.flags.writeable = False  # instances are cached and shared

    def p_value(self, as_extreme: Floats) -> Floats:
        """Returns p values for counts of assignments at least as extreme as the observed one.

        A Monte Carlo p also counts the observed assignment, (b + 1) / (m + 1), which makes it valid and never zero
        (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).
        """
        return as_extreme / len(self.matrix) if self.exact else (as_extreme + 1) / (len(self.matrix) + 1)

    def __str__(self) -> str:
        if self.exact:
            return f"exact, all {len(self.matrix):,} assignments"
        return f"Monte Carlo, {len(self.matrix):,} random assignments and the observed one"


@lru_cache(maxsize=2)
def label_assignments(treatment: int, control: int, seed: int = 0) -> Assignments:
    """Returns assignments of `treatment + control` teachers to two arms of these sizes."""
    teachers = treatment + control
    if math.comb(teachers, treatment) > EXACT_LIMIT:
        rows = np.tile(np.repeat([1.0, 0.0], [treatment, control]), (DRAWS, 1))
        return Assignments(np.random.default_rng(seed).permuted(rows, axis=1), exact=False)
    chosen = np.array(list(combinations(range(teachers), treatment)))
    labels = np.zeros((len(chosen), teachers))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return Assignments(labels, exact=True)


@lru_cache(maxsize=2)
def sign_assignments(teachers: int, seed: int = 0) -> Assignments:
    """Returns assignments of a sign to each of `teachers` differences."""
    if 2**teachers > EXACT_LIMIT:
        return Assignments(np.random.default_rng(seed).choice([1.0, -1.0], size=(DRAWS, teachers)), exact=False)
    return Assignments(np.array(list(product([1.0, -1.0], repeat=teachers))), exact=True)


def label_p(treatment: Floats, control: Floats, assignments: Assignments) -> Floats:
    """Returns two-sided p values of the studentised permutation test, `(repetitions,)`, for two arms of shape
    `(repetitions, teachers)`."""
    pooled = np.concatenate([treatment, control], axis=1)
    # Shift and scale do not change the test; removing both keeps the sums of squares accurate.
    pooled = pooled - pooled.mean(axis=1, keepdims=True)
    size = np.abs(pooled).max(axis=1, keepdims=True)
    pooled = pooled / np.where(size > 0, size, 1)
    n = treatment.shape[1]
    observed = np.repeat([1.0, 0.0], [n, control.shape[1]])[None, :]
    step = max(1, _BLOCK // len(assignments.matrix))
    as_extreme = [
        (_welch_ratio(block, assignments.matrix, n) >= _welch_ratio(block, observed, n) - _TIE).sum(axis=1)
        for block in np.split(pooled, range(step, len(pooled), step))
    ]
    return assignments.p_value(np.concatenate(as_extreme))


def sign_p(differences: Floats, assignments: Assignments) -> Floats:
    """Returns two-sided p values of the sign-flip test, `(repetitions,)`, for `(repetitions, teachers)` differences.

    The sum orders the assignments as the one-sample t does, because flipping signs keeps the sum of squares.
    """
    found = np.abs(differences @ assignments.matrix.T)
    observed = np.abs(differences.sum(axis=1)) - _TIE * np.abs(differences).sum(axis=1)
    return assignments.p_value((found >= observed[:, None]).sum(axis=1))


def _welch_ratio(pooled: Floats, labels: Floats, n: int) -> Floats:
    """Returns t² / (t² + 1) of Welch's t for each repetition and assignment, shape `(repetitions, assignments)`.

    `pooled` has shape `(repetitions, teachers)` and is centred; `labels`, `(assignments, teachers)`, are 1 for the `n`
    teachers of the first arm.
    """
    m = pooled.shape[1] - n
    squares = pooled**2 @ labels.T
    rest = (pooled**2).sum(axis=1, keepdims=True) - squares
    total = (pooled @ labels.T) ** 2  # the values are centred, so the other arm's squared total is the same
    within = np.maximum(squares - total / n, 0) / (n * (n - 1))
    within += np.maximum(rest - total / m, 0) / (m * (m - 1))
    between = total * (1 / n + 1 / m) ** 2
    whole = between + within
    # Where nothing varies, every assignment is as extreme as every other, so p is 1.
    ratio: Floats = np.divide(between, whole, out=np.zeros_like(whole), where=whole > 0)
    return ratio
