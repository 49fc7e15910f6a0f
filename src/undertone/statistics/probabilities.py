"""Log-odds of a probability, and the distance between two distributions."""

import math
from collections.abc import Mapping

import numpy as np

EPSILON = 1e-6
"""Probabilities are clipped this far from 0 and 1. It is near the point where a single-precision softmax no longer
resolves 1 - p."""
_SUM_TOLERANCE = 1e-4  # a single-precision softmax over a large vocabulary is off by no more than this


def log_odds(p: float) -> float:
    """Returns the natural log-odds of a probability, from -13.8 to 13.8 (see :data:`EPSILON`).

    Raises:
        ValueError: ``p`` is not from 0 to 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is not a probability: log-odds need a value from 0 to 1")
    clipped = min(max(p, EPSILON), 1 - EPSILON)
    return float(np.log(clipped) - np.log1p(-clipped))


def total_variation(p: Mapping[str, float], q: Mapping[str, float]) -> float:
    """Returns the total-variation distance, from 0 (equal) to 1 (no answer in common): half the sum of |p - q|.

    Both map answers to probabilities; an answer that is missing has probability 0.

    Raises:
        ValueError: a probability is negative or not finite, or a sum is not 1 within 0.0001.
    """
    for name, values in (("p", p.values()), ("q", q.values())):
        for value in values:
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} holds {value}, which is not a probability")
        if abs(math.fsum(values) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"{name} sums to {math.fsum(values):.6g}, not to 1")
    return min(1.0, math.fsum(abs(p.get(x, 0.0) - q.get(x, 0.0)) for x in p.keys() | q.keys()) / 2)
