"""An interval for the mean of shares that were counted in few units, such as the rates of single questions.

A share lies from 0 to 1, and so does this interval. Student's interval may leave that range, and near its ends it is
too short. This is the interval of Korn and Graubard (Survey Methodology 24, 1998): the exact binomial interval of
Clopper and Pearson for as many independent answers as the shares are worth, corrected by Student's t for how few units
told their variance.
"""

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from undertone.statistics.arrays import Floats
from undertone.statistics.interval import NO_SPREAD


def share_interval(shares: Floats, level: float) -> tuple[float, float] | None:
    """Returns the ends of the interval for the mean of ``shares``, shape ``(units,)``, each from 0 to 1.

    Shares of a mean m have at most the variance m (1 - m) of true-or-false answers, so they are worth at least one
    answer a unit. Returns None for fewer than two units, and where all shares are equal: they say nothing about how
    much others would vary.

    Raises:
        ValueError: a share is not from 0 to 1.
    """
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("shares lie from 0 to 1")
    units = len(shares)
    if units < 2 or np.ptp(shares) <= NO_SPREAD:
        return None
    mean, variance = float(shares.mean()), float(shares.var(ddof=1)) / units
    tail = (1 - level) / 2
    few = float(ndtri(tail) / stdtrit(units - 1, tail)) ** 2
    worth = max(units, mean * (1 - mean) / variance * few)
    low = betaincinv(mean * worth, (1 - mean) * worth + 1, tail)
    high = betaincinv(mean * worth + 1, (1 - mean) * worth, 1 - tail)
    return float(low), float(high)
