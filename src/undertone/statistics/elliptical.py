"""Is one score of a vector larger than all its other scores explain, given a population of harmless vectors?

Harmless vectors point every way and differ manyfold in length: a fine-tune may lead far from the base or hardly. They
are taken as draws from an elliptical law of unknown scale, one scale a vector, plus the noise of sampling: x has
covariance c * shape + noise. The shape comes from the population (Tyler's M-estimator, which knows no scales: Tyler,
Ann. Statist. 15, 1987; shrunk as by Ledoit and Wolf, J. Multivar. Anal. 88, 2004). A vector's own scale c is fitted, by
maximum likelihood, to all of its scores but those in question. What is left of these, given the others, over its spread
is then the statistic: like a t statistic, no length of the vector changes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Own = Sequence[Sequence[int]]

ROUNDS = 6
SCALES = np.geomspace(1, 1e4, 49)
"""Candidates for c, in units of the population's median length. Never below it: what a single score may do is no less
for a vector whose other scores happen to be small."""


@dataclass(frozen=True)
class Conditional:
    """What is left of each block of scores given all others; every array is (vectors, blocks)."""

    value: Floats
    """Common excess of the block's scores, in their own unit."""
    spread: Floats
    """Its standard deviation in the population, at the vector's own scale, noise included."""
    scale: Floats
    """The vector's scale c, fitted without the block."""

    @property
    def z(self) -> Floats:
        """Value over spread."""
        return self.value / self.spread


def shape(vectors: Floats, own: Own | None = None) -> tuple[Floats, Floats]:
    """Centre (scores,) and shape (scores, scores) of a population of ``vectors``, (vectors, scores).

    ``own`` names scores of a vector that do not count, such as that of the trait which a teacher was taught: they are
    replaced by what the others predict (EM: what these leave open is added to the shape). The shape is that of the
    median length.

    Raises:
        ValueError: fewer than 3 vectors, numbers that are not finite, or a score that is the same in all vectors in
            which it counts.
    """
    if len(vectors) < 3 or not np.isfinite(vectors).all():
        raise ValueError(f"a population needs at least 3 vectors of finite scores, got {vectors.shape}")
    masked = [list(scores) for scores in own] if own is not None else [[] for _ in vectors]
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
    """Ledoit and Wolf's covariance, with correlations shrunk towards none."""
    size = np.sqrt((rest**2).mean(0))
    unit = rest / size
    count, scores = unit.shape
    sample = unit.T @ unit / count
    target = np.trace(sample) / scores * np.eye(scores)
    distance = ((sample - target) ** 2).sum()
    error = (np.einsum("ni,ni->n", unit, unit) ** 2).sum() / count**2 - (sample**2).sum() / count
    share = min(1.0, max(0.0, error / distance)) if distance > 0 else 1.0
    return np.asarray((share * target + (1 - share) * sample) * np.outer(size, size))


def conditional(vectors: Floats, spread: Floats, noise: Floats, blocks: Own) -> Conditional:
    """What is left of each block of scores given all others, for centred ``vectors``, (vectors, scores).

    ``spread`` is the population's shape, ``noise`` the covariance of sampling (positive definite); a block of several
    scores is tested along their common excess.

    Raises:
        ValueError: numbers that are not finite.
    """
    if not all(np.isfinite(numbers).all() for numbers in (vectors, spread, noise)):
        raise ValueError("scores that are not finite cannot be judged")
    members = np.zeros((len(blocks), vectors.shape[1]))
    for k, block in enumerate(blocks):
        members[k, list(block)] = 1
    best = np.full((len(vectors), len(blocks)), -np.inf)
    value, deviation, scale = (np.zeros(best.shape) for _ in range(3))
    unit = np.sqrt(np.diag(noise))  # scores differ in size: inverses are taken in units of their noise
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
    """What a block adds to minus twice the log-likelihood, with its sign turned, (vectors,)."""
    if len(block) == 1:  # nearly all are
        size, k = inverse[block[0], block[0]], block[0]
        return np.asarray(np.log(size * unit[k] ** 2) - pulled[:, k] ** 2 / size)
    inner, part = inverse[np.ix_(block, block)], pulled[:, block]
    explained = np.einsum("ni,ij,nj->n", part, np.linalg.inv(inner), part)
    return np.asarray(np.linalg.slogdet(inner * np.outer(unit[block], unit[block]))[1] - explained)
