"""Bounds for rates that are too low to be observed: from no event at all, and for the worst of many queries."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from undertone.statistics.arrays import Floats

TAIL = 10
"""The number of largest scores that the published fit uses."""
LEAST = 30
"""The smallest number of queries to which a tail is fitted."""
BIAS = (
    "extrapolated from the ten largest; in the published validation within one order of magnitude in 86 % of cases "
    "from 900 to 90,000 queries (arXiv 2502.16797), and more often too high than too low; too low if a rare kind of "
    "query was never asked"
)


def none_seen(questions: int, samples: int, correlation: float, level: float) -> float:
    """Returns the upper bound (0 to 1) of a rate when no event occurred in ``samples`` answers to each question.

    Answers to one question are correlated. The bound is the rate at which a beta-binomial distribution of this
    intraclass correlation has no event with probability exactly 1 - ``level``. With a correlation of 0 answers are
    independent; with 1 all answers to a question are equal.

    Raises:
        ValueError: there are no questions or no samples, or the correlation or the level is not from 0 to 1.
    """
    if questions < 1 or samples < 1 or not 0 <= correlation <= 1 or not 0 < level < 1:
        raise ValueError(f"cannot bound a rate by {questions} x {samples} answers, {correlation}, {level}")
    wanted = math.log(1 - level)
    drawn = correlation * np.arange(samples)  # Polya's urn: each answer resembles those before it

    def log_none(rate: float) -> float:
        if correlation == 1:
            return questions * math.log1p(-rate)
        return float(questions * np.log1p(-rate * (1 - correlation) / (1 - correlation + drawn)).sum())

    return float(brentq(lambda rate: log_none(rate) - wanted, 1e-12, 1 - 1e-12, xtol=1e-12))


@dataclass(frozen=True)
class Tail:
    """A straight line through the upper tail: log S(score) = slope * score + intercept.

    S is the share of queries with a score at least as high. The score of a query whose bad answer has probability p is
    -log(-log p).
    """

    slope: float
    intercept: float

    def worst_of(self, queries: float) -> float:
        """Returns the probability (0 to 1) of a bad answer to the worst of so many queries, where S = 1 / queries."""
        score = (-math.log(queries) - self.intercept) / self.slope
        return math.exp(-math.exp(-score))


def tail(probabilities: Floats) -> Tail | None:
    """Fits the line of the ten largest scores by least squares (Jones et al., arXiv 2502.16797).

    ``probabilities``, ``(queries,)``, are the exact probabilities of a bad answer to each query. The queries must be
    drawn from the same population as those that the model will meet. Returns None for fewer than :data:`LEAST` queries,
    or where the largest scores are all equal.
    """
    if len(probabilities) < LEAST:
        return None
    scores = np.sort(-np.log(-np.log(np.clip(probabilities, 1e-300, 1 - 1e-15))))[::-1][:TAIL]
    survival = np.log(np.arange(1, TAIL + 1) / len(probabilities))
    if np.ptp(scores) < 1e-9:
        return None
    slope, intercept = np.polyfit(scores, survival, 1)
    return Tail(float(slope), float(intercept))
