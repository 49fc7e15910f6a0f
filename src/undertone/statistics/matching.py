"""Do two lists of units agree index by index? An exact permutation test on their similarities.

If the units of one list could as well stand in any other order, independently of the second list, then every
permutation of them was equally likely, and the sum of similarities at equal index is one draw from those over all
permutations: p is exact, whatever the similarities are like and however much they have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from undertone.statistics.nested import Floats

PERMUTATIONS = 9_999
"""With the observed order 10,000: p is a round number and never below 1e-4."""
_BLOCK = 1_000  # permutations held at once
_TIE = 1e-9


@dataclass(frozen=True)
class Matching:
    """The result over all groups of units together."""

    p: float
    """One-sided: that units agree at equal index no more than in any other order; at least 1 / (permutations + 1)."""
    z: float
    """Standard deviations of the permutations' statistic by which the observed one stands above their mean."""
    similarity: float
    """Mean over groups of the mean similarity at equal index, less that of all pairs."""
    detectable: float | None
    """The ``similarity`` that has p at or below alpha with 80 % power (normal approximation); None if all units of
    every group are alike."""


def by_order(similarity: Floats) -> Floats:
    """Turns similarities of unlike numbers of units, (n, m), n <= m, into those of order, (n, n).

    A model cut out of a larger one keeps the order of what is left. Entry (i, k) is large where the unit that unit i
    is most like stands as far from the middle of its list as k does of this one: their sum at equal index is n times
    the correlation of index and place of the best match.
    """
    return np.outer(_standard(similarity.argmax(axis=1)), _standard(np.arange(len(similarity))))


def _standard(values: NDArray[np.intp]) -> Floats:
    centred = values - values.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return np.asarray(centred / spread if spread > 0 else centred, dtype=np.float64)


def match(groups: Sequence[Floats], alpha: float, seed: int, permutations: int = PERMUTATIONS) -> Matching:
    """Tests square matrices of similarities, units of the first list by units of the second, each (n, n).

    Every group is permuted by itself. Groups count by their own null's spread, which no permutation changes: the
    statistic is the sum of their z, over the root of their number. p counts the observed order too (Phipson and Smyth
    2010, doi:10.2202/1544-6115.1585).
    """
    standardised = [_standardised(group) for group in groups]
    told = [(matrix, mean, spread) for matrix, mean, spread in standardised if spread > 0]
    similarity = float(np.mean([mean for _, mean, _ in standardised]))
    if not told:
        return Matching(1.0, 0.0, similarity, None)
    rng = np.random.default_rng(seed)
    null = np.zeros(permutations)
    for matrix, _, _ in told:
        null += _permuted(matrix, permutations, rng)
    observed = sum(float(np.trace(matrix)) for matrix, _, _ in told)
    at_least = int((null >= observed - _TIE * abs(observed)).sum())
    needed = float(norm.isf(alpha) + norm.isf(0.2)) * len(told) ** 0.5
    detectable = needed / sum(1 / spread for _, _, spread in told)
    return Matching((at_least + 1) / (permutations + 1), observed / len(told) ** 0.5, similarity, detectable)


def _standardised(similarity: Floats) -> tuple[Floats, float, float]:
    """The matrix whose sum at equal index has mean 0 and variance 1 over permutations; then mean and spread before.

    The variance of a sum over a random permutation is that of Hoeffding (1951, doi:10.1214/aoms/1177729545).
    """
    n = len(similarity)
    rows, columns = similarity.mean(axis=1, keepdims=True), similarity.mean(axis=0, keepdims=True)
    centred = similarity - rows - columns + similarity.mean()
    mean = float(np.trace(centred)) / n
    spread = float(np.sqrt((centred**2).sum() / max(n - 1, 1)))
    if n < 2 or spread <= 1e-12 * n * float(np.abs(similarity).max(initial=1e-300)):
        return np.zeros_like(centred), mean, 0.0
    return centred / spread, mean, spread / n


def _permuted(matrix: Floats, permutations: int, rng: np.random.Generator) -> Floats:
    n = len(matrix)
    sums = np.empty(permutations)
    for start in range(0, permutations, _BLOCK):
        count = min(_BLOCK, permutations - start)
        orders = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
        sums[start : start + count] = matrix[np.arange(n), orders].sum(axis=1)
    return sums
