"""Do two methods agree on a trait more than they agree on anything? The multitrait-multimethod matrix (Campbell and
Fiske, Psychological Bulletin 56, 1959), over models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.statistics.arrays import Floats

DRAWS = 1000
"""Resamplings of the models for an interval."""


@dataclass(frozen=True)
class Agreement:
    """Correlations over models of two methods; each with resampled values, of which some may not be defined."""

    same: Floats
    """Mean correlation of the same trait, (1 + draws,): as found, then resampled."""
    other: Floats
    """Mean correlation of different traits."""
    traits: Floats
    """Correlation of each trait with itself, (1 + draws, traits)."""
    matrix: Floats
    """Correlation of each trait by one method with each by the other, (traits, traits), as found."""


def agreement(one: Floats, two: Floats, units: Sequence[object] = (), seed: int = 0) -> Agreement:
    """Returns how far two methods agree, from values (models, traits), not a number where one is missing. Of a method
    with itself only ``other`` says something: what its traits share. ``units``: of each model, what it shares with
    others, such as its narrow domain: these are resampled whole.

    Raises:
        ValueError: the shapes differ.
    """
    if one.shape != two.shape:
        raise ValueError(f"values must have the same shape, got {one.shape} and {two.shape}")
    rng, places = np.random.default_rng(seed), dict[object, list[int]]()
    for row, unit in enumerate(units or range(len(one))):
        places.setdefault(unit, []).append(row)
    groups = [np.array(rows) for rows in places.values()]
    lots = (rng.integers(len(groups), size=len(groups)) for _ in range(DRAWS))
    drawn = [np.arange(len(one)), *(np.concatenate([groups[at] for at in lot]) for lot in lots)]
    found = np.stack([correlations(one[rows], two[rows]) for rows in drawn])
    apart = ~np.eye(one.shape[1], dtype=bool)
    traits = np.diagonal(found, axis1=1, axis2=2)
    return Agreement(_mean(traits), _mean(found[:, apart]), traits, found[0])


def correlations(one: Floats, two: Floats) -> Floats:
    """Returns the correlation of each column of ``one`` with each of ``two``, over the rows in which neither is missing
    (not a number); not a number where one does not vary."""
    (a, in_a), (b, in_b) = (_centred(values) for values in (one, two))
    count = np.maximum(in_a.T @ in_b, 1)
    covariance = a.T @ b - (a.T @ in_b) * (in_a.T @ b) / count
    scale = np.sqrt(_rest(a, in_b, count) * _rest(b, in_a, count.T).T)
    varies = scale > 1e-12 * np.sqrt((a**2).sum(0)[:, None] * (b**2).sum(0))
    return np.asarray(np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=varies & (scale > 0)))


def _centred(values: Floats) -> tuple[Floats, Floats]:
    """Values about their means, 0 where one is missing; and 1 where it is there."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(0), 1)
    middle = np.where(there, values, 0.0).sum(0) / count
    return np.where(there, values - middle, 0.0), there.astype(float)


def _rest(values: Floats, others_there: Floats, count: Floats) -> Floats:
    """Sums of squares about the mean over the rows in which the other is there, (own, other)."""
    sums = values.T @ others_there
    return np.maximum((values**2).T @ others_there - sums**2 / count, 0.0)


def _mean(values: Floats) -> Floats:
    """The mean over the last axis of what is defined."""
    defined = np.isfinite(values)
    count = defined.sum(-1)
    total = np.where(defined, values, 0.0).sum(-1)
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))


def ends(values: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """Returns the interval of resampled values, (draws,); None if fewer than nine in ten are defined."""
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values):
        return None
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
