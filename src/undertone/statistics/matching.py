"""An exact permutation test of whether two lists of units agree index by index.

Under the null hypothesis the order of one list is independent of the other list, so every permutation of its units is
equally likely. The sum of similarities at equal index is then one draw from the sums over all permutations. p is exact,
whatever the distribution of the similarities and their dependence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from undertone.statistics.arrays import Floats

PERMUTATIONS = 9_999
"""With the observed order they are 10,000, so p is a round number and at least 1e-4."""
_BLOCK = 1_000  # permutations held at once
_TIE = 1e-9  # statistics this close (relative) are equal up to rounding


@dataclass(frozen=True)
class Matching:
    """The result over all groups of units together."""

    p: float
    """One-sided p of the hypothesis that units agree at equal index no more than in any other order; at least
    1 / (permutations + 1)."""
    z: float
    """How many standard deviations the observed statistic lies above the mean over permutations."""
    similarity: float
    """The mean similarity at equal index minus that of all pairs, averaged over groups."""
    detectable: float | None
    """The ``similarity`` that gives a p of at most alpha with 80 % power (normal approximation); None if the units of
    every group are all alike."""


def by_order(similarity: Floats) -> Floats:
    """Turns similarities of different numbers of units, (n, m) with n <= m, into similarities of order, (n, n).

    A model that was cut out of a larger one keeps the order of the remaining units. Entry (i, k) is large where the
    best match of unit i is as far from the middle of its list as k is from the middle of this one. The sum at equal
    index is n times the correlation between the index of a unit and the index of its best match.
    """
    return np.outer(_standard(similarity.argmax(axis=1)), _standard(np.arange(len(similarity))))


def _standard(values: NDArray[np.intp]) -> Floats:
    centred = values - values.mean()
    spread = np.sqrt((centred**2).mean())
    return np.asarray(centred / (spread or 1.0), dtype=np.float64)


def match(groups: Sequence[Floats], alpha: float, seed: int, permutations: int = PERMUTATIONS) -> Matching:
    """Tests whether units agree index by index, from square matrices of similarities, each (n, n).

    Rows are the units of the first list and columns those of the second. Each group is permuted separately and
    standardised by the standard deviation of its own null distribution, which no permutation changes. The statistic is
    the sum of the groups' z, divided by the root of their number. p counts the observed order too (Phipson and Smyth
    2010, doi:10.2202/1544-6115.1585).
    """
    standardised = [_standardised(group) for group in groups]
    similarity = float(np.mean([mean for _, mean, _ in standardised]))
    varying = [(matrix, spread) for matrix, _, spread in standardised if spread > 0]
    if not varying:
        return Matching(1.0, 0.0, similarity, None)
    rng = np.random.default_rng(seed)
    null = np.zeros(permutations)
    for matrix, _ in varying:
        null += _permuted(matrix, permutations, rng)
    observed = sum(float(np.trace(matrix)) for matrix, _ in varying)
    at_least = int((null >= observed - _TIE * abs(observed)).sum())
    root = len(varying) ** 0.5
    detectable = float(norm.isf(alpha) + norm.isf(0.2)) * root / sum(1 / spread for _, spread in varying)
    return Matching((at_least + 1) / (permutations + 1), observed / root, similarity, detectable)


def _standardised(similarity: Floats) -> tuple[Floats, float, float]:
    """Returns a matrix whose sum at equal index has mean 0 and variance 1 over permutations. Also returns the mean
    similarity at equal index minus that of all pairs, and its standard deviation over permutations.

    The variance of a sum over a random permutation is from Hoeffding (1951, doi:10.1214/aoms/1177729545).
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
    """Returns the sum at equal index for each of so many random orders, (permutations,)."""
    index, sums = np.arange(len(matrix)), np.empty(permutations)
    for block in np.split(sums, range(_BLOCK, permutations, _BLOCK)):
        block[:] = matrix[index, rng.permuted(np.tile(index, (len(block), 1)), axis=1)].sum(axis=1)
    return sums
