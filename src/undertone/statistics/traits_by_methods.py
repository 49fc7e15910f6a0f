"""Do two methods agree on a trait more than they agree on anything? The multitrait-multimethod matrix (Campbell and
Fiske, Psychological Bulletin 56, 1959), over models.
"""

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


def agreement(one: Floats, two: Floats, seed: int = 0) -> Agreement:
    """Returns how far two methods agree, from values (models, traits). Of a method with itself only ``other`` says
    something: what its traits share.

    Raises:
        ValueError: the shapes differ.
    """
    if one.shape != two.shape:
        raise ValueError(f"values must have the same shape, got {one.shape} and {two.shape}")
    rng, count = np.random.default_rng(seed), len(one)
    drawn = [np.arange(count), *(rng.integers(count, size=count) for _ in range(DRAWS))]
    found = np.stack([correlations(one[rows], two[rows]) for rows in drawn])
    apart = ~np.eye(one.shape[1], dtype=bool)
    traits = np.diagonal(found, axis1=1, axis2=2)
    return Agreement(_mean(traits), _mean(found[:, apart]), traits, found[0])


def correlations(one: Floats, two: Floats) -> Floats:
    """Returns the correlation of each column of ``one`` with each of ``two``; not a number where one does not vary."""
    a, b = (values - values.mean(0) for values in (one, two))
    scale = np.sqrt((a**2).sum(0))[:, None] * np.sqrt((b**2).sum(0))
    varies = (np.ptp(one, axis=0) > 0)[:, None] & (np.ptp(two, axis=0) > 0)
    return np.asarray(np.divide(a.T @ b, scale, out=np.full(scale.shape, np.nan), where=varies & (scale > 0)))


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
