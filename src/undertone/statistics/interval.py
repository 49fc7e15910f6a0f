"""Student's and Welch's t: intervals and p values, vectorised over repetitions in the leading axes.

`estimate` and the simulated coverage study call the same functions, so what is simulated is what is reported.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped, unused-ignore]

from undertone.statistics.arrays import Floats

NO_SPREAD = 8 * np.finfo(np.float64).eps
"""A standard error of up to this share of the largest mean is rounding, not spread."""


def t_interval(means: Floats, level: float, scale: Floats) -> tuple[Floats, Floats]:
    """Returns centre and half-width of Student's t interval for the mean of `means`, shape `(..., teachers)`.

    It has teachers - 1 degrees of freedom. `scale` is the size of the values from which the means were computed. The
    half-width is infinite where the means do not vary (see `half_width`).
    """
    count = means.shape[-1]
    error = np.sqrt(means.var(axis=-1, ddof=1) / count)
    return means.mean(axis=-1), half_width(error, np.full_like(error, count - 1), scale, level)


def welch_interval(treatment: Floats, control: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Returns centre, half-width and degrees of freedom of Welch's interval for treatment minus control.

    Both have shape `(..., teachers)`, and their last axes may differ. The degrees of freedom are those of Satterthwaite
    (1946) and Welch (1947); they lie between the smaller arm's teachers - 1 and the number of all teachers - 2.
    """
    centre, error, df, scale = _welch(treatment, control)
    return centre, half_width(error, df, scale, level), df


def welch_p(treatment: Floats, control: Floats) -> Floats:
    """Returns the two-sided p of Welch's t; shapes and degrees of freedom are those of `welch_interval`.

    Where neither arm varies, t says nothing and p is 0, so that the larger of this and another p is the other one.
    """
    return _two_sided_p(*_welch(treatment, control))


def stratified_interval(strata: Sequence[Floats], level: float) -> tuple[Floats, Floats]:
    """Returns centre and half-width of the t interval for the mean of the strata's means.

    Each stratum has shape `(..., units)`; their last axes may differ. The variance within strata is assumed to be the
    same in all of them and is pooled; the degrees of freedom are all units - strata.
    """
    centre, error, df, scale = _stratified(strata)
    return centre, half_width(error, df, scale, level)


def stratified_p(strata: Sequence[Floats]) -> Floats:
    """Returns the two-sided p of the t of `stratified_interval`; 0 where no stratum varies, as in `welch_p`."""
    return _two_sided_p(*_stratified(strata))


def half_width(error: Floats, df: Floats, scale: Floats, level: float) -> Floats:
    """Returns the two-sided half-width at `level`; infinite where `error` is no more than rounding beside `scale`.

    Equal means of few teachers (all 0 %, for example) say nothing about how much teachers vary. An interval of width
    zero would claim certainty, so it is unbounded instead.
    """
    return np.where(error > NO_SPREAD * scale, error * stdtrit(df, (1 + level) / 2), np.inf)


def largest(means: Floats) -> Floats:
    """Returns the largest absolute value over the last axis."""
    return np.asarray(np.abs(means).max(axis=-1))


def _two_sided_p(centre: Floats, error: Floats, df: Floats, scale: Floats) -> Floats:
    t = np.divide(np.abs(centre), error, out=np.full_like(error, np.inf), where=error > NO_SPREAD * scale)
    return np.asarray(2 * stdtr(df, -t))


def _stratified(strata: Sequence[Floats]) -> tuple[Floats, Floats, Floats, Floats]:
    """Returns the mean of the strata's means, its standard error, its degrees of freedom, and the size of the
    values."""
    counts = np.array([units.shape[-1] for units in strata])
    centre = np.mean([units.mean(axis=-1) for units in strata], axis=0)
    df = np.full_like(centre, counts.sum() - len(counts))
    squares = np.sum([units.var(axis=-1) * units.shape[-1] for units in strata], axis=0)
    error = np.sqrt(squares / df * (1 / counts).sum()) / len(counts)
    return centre, error, df, np.max([largest(units) for units in strata], axis=0)


def _welch(treatment: Floats, control: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Returns the difference of means, its standard error, its degrees of freedom, and the size of the values."""
    n, m = treatment.shape[-1], control.shape[-1]
    a, b = treatment.var(axis=-1, ddof=1) / n, control.var(axis=-1, ddof=1) / m
    share = np.divide(a, a + b, out=np.full_like(a, 0.5), where=a + b > 0)
    df = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))
    centre = treatment.mean(axis=-1) - control.mean(axis=-1)
    return centre, np.sqrt(a + b), df, np.maximum(largest(treatment), largest(control))
