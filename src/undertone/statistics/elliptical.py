"""Tests whether one score of a vector is larger than its other scores explain, given a population of harmless vectors.

Harmless vectors have any direction, and their lengths differ by large factors, because one fine-tune moves a model far
from the base and another hardly at all. They are modelled as draws from an elliptical distribution with an unknown
scale for each vector, plus sampling noise: x has covariance c * shape + noise. The shape is estimated from the
population (Tyler's M-estimator, which does not use scales: Tyler, Ann. Statist. 15, 1987; shrunk as by Ledoit and Wolf,
J. Multivar. Anal. 88, 2004). A vector's own scale c is fitted by maximum likelihood to all of its scores except those
that are tested. The statistic is the residual of the tested scores given the others, divided by its standard deviation.
Like a t statistic, it does not depend on the vector's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.statistics.arrays import Floats

Blocks = Sequence[Sequence[int]]
"""Lists of score indices."""

ROUNDS = 6
SCALES = np.geomspace(1, 1e4, 49)
"""Candidates for c, in units of the population's median length. None is below 1: a single score may vary just as much
where a vector's other scores happen to be small."""


@dataclass(frozen=True)
class Conditional:
    """The residual of each block of scores given all other scores; every array is (vectors, blocks)."""

    value: Floats
    """The common excess of the block's scores, in their own unit."""
    spread: Floats
    """Its standard deviation among harmless vectors of the same scale, noise included."""
    scale: Floats
    """The vector's scale c, fitted without the block."""

    @property
    def z(self) -> Floats:
        """The value divided by the spread."""
        return self.value / self.spread


def shape(vectors: Floats, own: Blocks | None = None) -> tuple[Floats, Floats]:
    """Returns the centre (scores,) and the shape (scores, scores) of a population of ``vectors``, (vectors, scores).

    ``own`` lists, for each vector, the scores to leave out, such as that of the trait which a teacher was taught. They
    are replaced by what the other scores predict, and the variance that remains is added to the shape (EM). The shape
    is scaled to the median length.

    Raises:
        ValueError: there are fewer than 3 vectors, numbers that are not finite, or a score that is the same in all
            vectors that have it.
    """
    if len(vectors) < 3 or not np.isfinite(vectors).all():
        raise ValueError(f"a population needs at least 3 vectors of finite scores, got {vectors.shape}")
    masked = [list(scores) for scores in own or [()] * len(vectors)]
    counted = np.ones(vectors.shape, dtype=bool)
    for row, scores in enumerate(masked):
        counted[row, scores] = False
    if not (np.where(counted, vectors, -np.inf).max(0) > np.where(counted, vectors, np.inf).min(0)).all():
        raise ValueError("a score is the same in all vectors in which it counts")
    filled = np.where(counted, vectors, (vectors * counted).sum(0) / counted.sum(0))
    lengths, unknown = np.ones(len(vectors)), np.zeros((filled.shape[1], filled.shape[1]))
    for _ in range(ROUNDS):
        weights = 1 / lengths
        centre = np.asarray(weights @ filled / weights.sum())
        rest = (filled - centre) / np.sqrt(lengths)[:, None]
        found = _shrunk(rest) + unknown / len(vectors)
        inverse: Floats = np.asarray(np.linalg.inv(found))
        unknown[:] = 0
        for row, scores in enumerate(masked):
            if scores:
                left = np.linalg.inv(inverse[np.ix_(scores, scores)])
                filled[row, scores] -= left @ (inverse @ (filled[row] - centre))[scores]
                unknown[np.ix_(scores, scores)] += left
        rest = filled - centre
        lengths = np.maximum(np.einsum("ni,ij,nj->n", rest, inverse, rest) / counted.sum(1), 1e-12)
    return centre, found * float(np.median(lengths))


def _shrunk(rest: Floats) -> Floats:
    """Returns Ledoit and Wolf's covariance, with correlations shrunk towards zero."""
    size = np.sqrt((rest**2).mean(0))
    unit = rest / size
    count, scores = unit.shape
    sample = unit.T @ unit / count
    target = np.trace(sample) / scores * np.eye(scores)
    distance = ((sample - target) ** 2).sum()
    error = (np.einsum("ni,ni->n", unit, unit) ** 2).sum() / count**2 - (sample**2).sum() / count
    share = min(1.0, max(0.0, error / distance)) if distance > 0 else 1.0
    return np.asarray((share * target + (1 - share) * sample) * np.outer(size, size))


def conditional(vectors: Floats, spread: Floats, noise: Floats, blocks: Blocks) -> Conditional:
    """Returns the residual of each block of scores given all others, for centred ``vectors``, (vectors, scores).

    ``spread`` is the population's shape and ``noise`` the covariance of sampling (positive definite). A block of
    several scores is tested for their common excess.

    Raises:
        ValueError: there are numbers that are not finite.
    """
    if not all(np.isfinite(numbers).all() for numbers in (vectors, spread, noise)):
        raise ValueError("scores that are not finite cannot be judged")
    members = np.zeros((len(blocks), vectors.shape[1]))
    for k, block in enumerate(blocks):
        members[k, list(block)] = 1
    best = np.full((len(vectors), len(blocks)), -np.inf)
    value, deviation, scale = (np.zeros(best.shape) for _ in range(3))
    unit = np.sqrt(np.diag(noise))  # scores differ in size, so matrices are inverted in units of their noise
    for c in SCALES:
        total = (c * spread + noise) / np.outer(unit, unit)
        inverse = np.linalg.inv(total) / np.outer(unit, unit)
        pulled = vectors @ inverse
        fit = np.linalg.slogdet(total)[1] + np.einsum("ni,ni->n", pulled, vectors)
        without = np.stack([_own_part(pulled, inverse, unit, list(block)) for block in blocks], axis=1)
        likelihood = -0.5 * (fit[:, None] + without)
        information = np.einsum("ki,ij,kj->k", members, inverse, members)
        better = likelihood > best
        best = np.where(better, likelihood, best)
        value = np.where(better, pulled @ members.T / information, value)
        deviation = np.where(better, information**-0.5, deviation)
        scale = np.where(better, c, scale)
    return Conditional(value, deviation, scale)


def _own_part(pulled: Floats, inverse: Floats, unit: Floats, block: list[int]) -> Floats:
    """Returns twice the block's contribution to the log-likelihood, (vectors,)."""
    if len(block) == 1:  # as nearly all are; this is faster
        size, k = inverse[block[0], block[0]], block[0]
        return np.asarray(np.log(size * unit[k] ** 2) - pulled[:, k] ** 2 / size)
    inner, part = inverse[np.ix_(block, block)], pulled[:, block]
    explained = np.einsum("ni,ij,nj->n", part, np.linalg.inv(inner), part)
    return np.asarray(np.linalg.slogdet(inner * np.outer(unit[block], unit[block]))[1] - explained)
