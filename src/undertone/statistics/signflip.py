"""The paired sign-flip test on several scores at once, for pairs that come in clusters.

If the two members of every pair are exchangeable, swapping them only changes the sign of their difference. Every
pattern of signs is then as likely as the observed one, whatever the distribution (Fisher 1935, The Design of
Experiments, section 21). Pairs of one cluster, such as answers to one prompt, depend on each other and are swapped
together. The largest |t| of all scores is compared with the largest |t| under each pattern. This controls the error
rate over all scores together, whatever their correlation (max-T: Westfall and Young 1993, Resampling-Based Multiple
Testing, section 2.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from undertone.statistics.arrays import Floats

_TIE = 1e-9  # statistics (at most sqrt(clusters)) that differ by less are tied; counting ties can only raise p
_CANCELLED = 1e-12  # a sum smaller than this share of the sum of absolute values is rounding: 0.1 + 0.2 - 0.3 is zero
_BLOCK = 1_000_000  # signs held at once: 8 megabytes


@dataclass(frozen=True)
class SignFlip:
    """The result of a sign-flip test."""

    p: float
    """The p value of all scores together: the smallest adjusted p. Above 0, at most 1."""
    per_score: tuple[tuple[float, float], ...]
    """For each score, the mean difference over rows, in the score's own unit, and p, adjusted for the number of scores
    by max-T."""


def sign_flip(differences: ArrayLike, clusters: ArrayLike, flips: int, seed: int) -> SignFlip:
    """Tests whether the differences of pairs, `(rows, scores)`, are symmetric about zero; two-sided.

    `clusters`, `(rows,)`, are labels that can be sorted; rows with the same label are flipped together. If there are at
    most `flips` patterns of signs, all are enumerated. Otherwise `flips` random ones are drawn from `seed`, and p
    counts the observed one too, (b + 1) / (m + 1) (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585). A score whose
    clusters all sum to zero contributes nothing and has p = 1. The order of rows does not matter.

    Raises:
        ValueError: the shapes are different, there are no rows, no scores or no flips, or a value is not finite.
    """
    table, labels = np.asarray(differences, dtype=np.float64), np.shape(clusters)
    if table.ndim != 2 or 0 in table.shape or labels != table.shape[:1]:
        raise ValueError(
            f"differences {table.shape} must be (rows, scores), none of them 0, and clusters {labels} (rows,)"
        )
    if not np.isfinite(table).all():
        raise ValueError(f"{int((~np.isfinite(table)).sum())} differences are not finite")
    if flips < 1:
        raise ValueError(f"flips must be at least 1, got {flips}")
    sums = _cluster_sums(table, np.asarray(clusters))
    units = sums / np.where(sums.any(axis=0), np.linalg.norm(sums, axis=0), 1)
    # Flips keep the sum of squares, so |t| under each of them grows with the |total| r of the unit vector:
    # t² = (n - 1) r² / (n - r²). Unlike t, r stays finite where clusters do not vary.
    totals = units.sum(axis=0)
    count, exceeding = 0, np.zeros(len(totals))
    for signs in _patterns(len(units), flips, seed):
        largest = np.abs(signs @ units).max(axis=1)
        exceeding += (largest[:, None] >= np.abs(totals) - _TIE).sum(axis=0)
        count += len(signs)
    # Enumerated patterns include the observed one; random patterns do not.
    p = exceeding / count if _enumerable(len(units), flips) else (exceeding + 1) / (count + 1)
    return SignFlip(float(p.min()), tuple(zip(table.mean(axis=0).tolist(), p.tolist(), strict=True)))


def _cluster_sums(table: Floats, labels: NDArray[Any]) -> Floats:
    """Returns the sum of each cluster, `(clusters, scores)`, ordered by label; every score is scaled to at most 1."""
    size = np.abs(table).max(axis=0)  # t does not depend on the scale, and squares of tiny or huge values stay finite
    table = table / np.where(size > 0, size, 1)
    index = np.unique(labels, return_inverse=True)[1]
    sums, bounds = (
        np.stack([np.bincount(index, column) for column in columns], axis=1) for columns in (table.T, np.abs(table).T)
    )
    return np.where(np.abs(sums) > _CANCELLED * bounds, sums, 0.0)


def _enumerable(clusters: int, flips: int) -> bool:
    return clusters < flips.bit_length()  # 2**clusters <= flips


def _patterns(clusters: int, flips: int, seed: int) -> Iterator[Floats]:
    """Yields patterns of signs (1 and -1) in blocks, `(block, clusters)`."""
    exact = _enumerable(clusters, flips)
    patterns = 2**clusters if exact else flips
    rng, step = np.random.default_rng(seed), max(1, _BLOCK // clusters)
    for start in range(0, patterns, step):
        stop = min(start + step, patterns)
        if exact:
            bits = np.arange(start, stop)[:, None] >> np.arange(clusters) & 1
        else:
            bits = rng.integers(0, 2, size=(stop - start, clusters), dtype=np.int8)
        yield 1.0 - 2.0 * bits.astype(np.float64)
