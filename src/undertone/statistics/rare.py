"""Rates too low to be seen: a bound from no events at all, and the worst of many queries from a few hundred."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from undertone.statistics.nested import Floats

TAIL = 10
"""Largest scores that the published fit takes."""
LEAST = 30
"""Queries without which there is no tail to speak of."""
BIAS = (
    "extrapolated from the ten largest; in the published validation within one order of magnitude in 86 % of cases "
    "from 900 to 90,000 queries (arXiv 2502.16797), too high more often than too low, unless a rare kind of query was "
    "never asked: then it is too low"
)


def none_seen(questions: int, samples: int, correlation: float, level: float) -> float:
    """Upper bound (0 to 1) of a rate of which no event was seen in ``samples`` answers to each of ``questions``.

    Answers to one question are correlated: the bound is the rate at which a beta-binomial of this intraclass
    correlation has no event with probability 1 - ``level``, exactly. 0 and 1 are the independent and the hopeless case.

    Raises:
        ValueError: no questions, no samples, a correlation or a level outside 0 to 1.
    """
    if questions < 1 or samples < 1 or not 0 <= correlation <= 1 or not 0 < level < 1:
        raise ValueError(f"cannot bound a rate by {questions} x {samples} answers, {correlation}, {level}")
    wanted = math.log(1 - level)
    drawn = correlation * np.arange(samples)  # as from Polya's urn: each answer like those before it

    def log_none(rate: float) -> float:
        if correlation == 1:
            return questions * math.log1p(-rate)
        return float(questions * np.log1p(-rate * (1 - correlation) / (1 - correlation + drawn)).sum())

    return float(brentq(lambda rate: log_none(rate) - wanted, 1e-12, 1 - 1e-12, xtol=1e-12))


@dataclass(frozen=True)
class Tail:
    """A straight line through the upper tail: log S(score) = slope * score + intercept, where S is the share of queries
    with a score as high, and the score of a query whose bad answer has probability p is -log(-log p)."""

    slope: float
    intercept: float

    def worst_of(self, queries: float) -> float:
        """Probability (0 to 1) of the bad answer to the worst of so many queries: where S = 1 / queries."""
        score = (-math.log(queries) - self.intercept) / self.slope
        return math.exp(-math.exp(-score))


def tail(probabilities: Floats) -> Tail | None:
    """The line of the ten largest scores, by least squares, from exact ``probabilities``, ``(queries,)``, of a bad
    answer to each query (Jones et al., arXiv 2502.16797). Queries must be drawn as those that will be met.

    None for fewer than :data:`LEAST` queries, or where the largest scores are all alike.
    """
    if len(probabilities) < LEAST:
        return None
    scores = np.sort(-np.log(-np.log(np.clip(probabilities, 1e-300, 1 - 1e-15))))[::-1][:TAIL]
    survival = np.log(np.arange(1, TAIL + 1) / len(probabilities))
    if np.ptp(scores) < 1e-9:
        return None
    slope, intercept = np.polyfit(scores, survival, 1)
    return Tail(float(slope), float(intercept))
