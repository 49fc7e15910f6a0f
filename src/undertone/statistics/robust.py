"""Estimates that a few strange observations do not decide: mean and covariance of rates, and a z among many scores."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from undertone.statistics.arrays import Floats

LARGEST = 10
"""A unit counts as much as so many units of the usual size at most."""
ROUNDS = 20
"""Steps of the iteration for mean and covariance; it has settled long before."""
SAMPLES = 40_000
"""Simulated sets of scores from which a threshold is read; its standard error is about .5 %."""
CONSISTENT = 1.4826
"""The standard deviation of Gaussian numbers, divided by their median absolute deviation from the median."""


@dataclass(frozen=True)
class Rates:
    """Mean and covariance of what units give a token."""

    mean: Floats
    """(scores,)."""
    covariance: Floats
    """(scores, scores), of the sum over one token."""
    weights: Floats
    """(units,), from 0 to 1: how much each unit counts."""
    tokens: float
    """Sum of the units' tokens, each multiplied by its unit's weight."""


def rates(sums: Floats, tokens: Floats, own: int | None = None) -> Rates:
    """Estimates mean and covariance of a token's scores from the sums over independent units of many tokens.

    ``sums``: (units, scores). ``tokens``: (units,), above 0. ``own``: weights are decided by this many of the scores,
    from the first on; by default by all. A unit whose squared distance from the mean, divided by its tokens, is above
    the median of all units counts less, in inverse proportion, and so does one of more than :data:`LARGEST` times the
    median's tokens (an M-estimator of location and scatter: Maronna, Ann.
    Statist. 4, 1976). The distance is measured with half of each variance on the diagonal, so that there may be as many
    scores as units.

    Raises:
        ValueError: there are fewer than three units, or a score is the same in all units.
    """
    if len(sums) < 3:
        raise ValueError(f"mean and covariance need at least 3 units, not {len(sums)}")
    size = np.minimum(1, LARGEST * np.median(tokens) / tokens)
    weights, first = size, slice(own)
    for _ in range(ROUNDS):
        total = float(weights @ tokens)
        mean = weights @ sums / total
        rest = sums - mean * tokens[:, None]
        covariance = (rest * weights[:, None]).T @ rest / total
        if not (np.diag(covariance) > 0).all():
            raise ValueError("a score is the same in all units")
        part = covariance[first, first]
        shrunk = (part + np.diag(np.diag(part))) / 2
        distance = np.einsum("us,us->u", rest[:, first], np.linalg.solve(shrunk, rest[:, first].T).T) / tokens
        weights = size / np.maximum(distance / np.median(distance), 1)
    return Rates(mean, covariance, weights, total)


def robust_z(scores: Floats) -> Floats:
    """Returns the distance of each score from the median of all, (..., scores), in robust standard deviations.

    Infinite, or not a number, where more than half of the scores are equal.
    """
    centre = np.median(scores, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((scores - centre) / spread(scores)[..., None])


def spread(scores: Floats) -> Floats:
    """Returns the median absolute deviation from the median along the last axis, as a standard deviation."""
    centre = np.median(scores, axis=-1, keepdims=True)
    return np.asarray(CONSISTENT * np.median(np.abs(scores - centre), axis=-1))


def threshold(count: int, alpha: float) -> float:
    """Returns the point that the largest :func:`robust_z` of so many independent Gaussian scores exceeds with
    probability ``alpha``. Quantiles of t or of the Gaussian are too small here, because the median absolute deviation
    of few scores varies."""
    return float(np.quantile(_largest(count), 1 - alpha))


def p_of_largest(z: float, count: int) -> float:
    """Returns the probability that the largest :func:`robust_z` of so many independent Gaussian scores is at least
    ``z``; not below 1 / (:data:`SAMPLES` + 1)."""
    largest = _largest(count)
    return float((1 + len(largest) - np.searchsorted(largest, z)) / (1 + len(largest)))


@cache
def _largest(count: int) -> Floats:
    rng = np.random.default_rng(count)
    parts = [robust_z(rng.standard_normal((SAMPLES // 40, count))).max(1) for _ in range(40)]
    return np.sort(np.concatenate(parts))
