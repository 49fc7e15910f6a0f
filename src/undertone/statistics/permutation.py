"""Permutation tests on teacher means: exact where the assignments can be counted, else Monte Carlo.

Two arms: teachers' labels are permuted and Welch's t is recomputed for each assignment. Studentising keeps
the test exact when the arms are exchangeable and, unlike the plain difference of means, also makes it valid
for large arms of unequal variance and size (Janssen 1997; Chung and Romano 2013, doi:10.1214/13-AOS1090). In
arms of equal size the two tests are the same one: the sum of squares within arms is the fixed total less the
part between, so |t| grows with the |difference|. The statistic used is t² / (t² + 1), which orders
assignments as |t| does and stays finite where the arms do not vary.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

import numpy as np

from undertone.statistics.nested import Floats

EXACT_LIMIT = 200_000
"""Most assignments that are enumerated; beyond it `DRAWS` random ones are taken."""

DRAWS = 99_999
"""Random assignments of a Monte Carlo test. With the observed one: 100,000, so p is a round number."""

_TIE = 1e-9  # closer statistics are equal up to rounding; counting them as ties can only raise p
_BLOCK = 500_000  # statistics held at once: a few megabytes


@dataclass(frozen=True)
class Assignments:
    """Ways to assign teachers: rows of `matrix`, shape `(assignments, teachers)`."""

    matrix: Floats
    """Labels (1 treatment, 0 control) or signs (1, -1)."""
    exact: bool
    """Whether the rows are all there are, the observed one among them."""

    def p_value(self, as_extreme: Floats) -> Floats:
        """Turn counts of assignments at least as extreme as the observed one into p values.

        A Monte Carlo p counts the observed assignment too, (b + 1) / (m + 1), and so is valid and never zero
        (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).
        """
        return as_extreme / len(self.matrix) if self.exact else (as_extreme + 1) / (len(self.matrix) + 1)

    def describe(self, of_what: str) -> str:
        """Say in words which test this is."""
        if self.exact:
            return f"exact, all {len(self.matrix):,} {of_what}"
        return f"Monte Carlo, {len(self.matrix):,} random {of_what} and the observed one"


@lru_cache(maxsize=2)
def label_assignments(treatment: int, control: int, seed: int = 0) -> Assignments:
    """Assignments of `treatment + control` teachers to two arms of these sizes."""
    teachers = treatment + control
    observed = np.repeat([1.0, 0.0], [treatment, control])
    if math.comb(teachers, treatment) > EXACT_LIMIT:
        rows = np.tile(observed, (DRAWS, 1))
        return _read_only(np.random.default_rng(seed).permuted(rows, axis=1), exact=False)
    chosen = np.array(list(combinations(range(teachers), treatment)))
    labels = np.zeros((len(chosen), teachers))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return _read_only(labels, exact=True)


@lru_cache(maxsize=2)
def sign_assignments(teachers: int, seed: int = 0) -> Assignments:
    """Assignments of a sign to each of `teachers` differences."""
    if 2**teachers > EXACT_LIMIT:
        signs = np.random.default_rng(seed).choice([1.0, -1.0], size=(DRAWS, teachers))
        return _read_only(signs, exact=False)
    return _read_only(np.array(list(product([1.0, -1.0], repeat=teachers))), exact=True)


def label_p(treatment: Floats, control: Floats, assignments: Assignments) -> Floats:
    """Two-sided p of the studentised permutation test: arms `(repetitions, teachers)` to `(repetitions,)`."""
    pooled = np.concatenate([treatment, control], axis=1)
    # the test does not change with shift and scale; removing both keeps the sums of squares accurate
    pooled = pooled - pooled.mean(axis=1, keepdims=True)
    size = np.abs(pooled).max(axis=1, keepdims=True)
    pooled = pooled / np.where(size > 0, size, 1)
    n = treatment.shape[1]
    observed = np.repeat([1.0, 0.0], [n, control.shape[1]])[None, :]
    step = max(1, _BLOCK // len(assignments.matrix))
    counts = np.empty(len(pooled))
    for start in range(0, len(pooled), step):
        block = pooled[start : start + step]
        found = _welch_ratio(block, assignments.matrix, n)
        counts[start : start + step] = (found >= _welch_ratio(block, observed, n) - _TIE).sum(axis=1)
    return assignments.p_value(counts)


def sign_p(differences: Floats, assignments: Assignments) -> Floats:
    """Two-sided p of the sign-flip test: differences `(repetitions, teachers)` to `(repetitions,)`.

    The sum orders the assignments as one-sample t does, because flipping signs keeps the sum of squares.
    """
    found = np.abs(differences @ assignments.matrix.T)
    observed = np.abs(differences.sum(axis=1)) - _TIE * np.abs(differences).sum(axis=1)
    return assignments.p_value((found >= observed[:, None]).sum(axis=1))


def _welch_ratio(pooled: Floats, labels: Floats, n: int) -> Floats:
    """t² / (t² + 1) of Welch's t for each repetition and assignment, shape `(repetitions, assignments)`.

    `pooled` has shape `(repetitions, teachers)` and is centred; `labels`, `(assignments, teachers)`, put a 1
    at the `n` teachers of the first arm.
    """
    m = pooled.shape[1] - n
    squares = pooled**2 @ labels.T
    rest = (pooled**2).sum(axis=1, keepdims=True) - squares
    total = (pooled @ labels.T) ** 2  # centred, so the other arm's squared total is the same
    within = np.maximum(squares - total / n, 0) / (n * (n - 1))
    within += np.maximum(rest - total / m, 0) / (m * (m - 1))
    between = total * (1 / n + 1 / m) ** 2
    whole = between + within
    # no variation at all: every assignment is as extreme as every other, hence p = 1
    ratio: Floats = np.divide(between, whole, out=np.zeros_like(whole), where=whole > 0)
    return ratio


def _read_only(matrix: Floats, *, exact: bool) -> Assignments:
    matrix.flags.writeable = False  # it is cached and shared
    return Assignments(matrix, exact)
