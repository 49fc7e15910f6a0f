"""A simulation of how often intervals over models and questions cover: true-or-false answers, clustered by question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from undertone.statistics.arrays import Floats
from undertone.statistics.crossed import crossed_interval
from undertone.statistics.rate import Share


@dataclass(frozen=True)
class Crossing:
    """Models that answer questions. Each question has a rate of its own, which each model shifts."""

    models: int
    questions: int
    samples: int = 100
    rate: float = 0.2
    correlation: float = 0.1
    """Intraclass correlation within questions: question rates are beta-distributed."""
    of_models: float = 0.5
    """Standard deviation between models, in log-odds. It is ignored for a single model, whose own rate is the truth."""


CROSSINGS = (
    Crossing(5, 8, of_models=0.0),
    Crossing(5, 8),
    Crossing(5, 8, of_models=1.0),
    Crossing(5, 8, samples=10),
    Crossing(3, 8),
    Crossing(10, 24),
    Crossing(5, 48),
    Crossing(5, 8, rate=0.05),
    Crossing(5, 8, correlation=0.5),
    Crossing(1, 8),
    Crossing(1, 12),
    Crossing(1, 48),
    Crossing(1, 8, rate=0.05),
    Crossing(1, 48, rate=0.05),
)


def simulated(crossing: Crossing, repetitions: int, rng: np.random.Generator) -> Floats:
    """Returns shares of true answers, ``(repetitions, models, questions)``."""
    rates = _rates(crossing, (repetitions, 1, crossing.questions), rng)
    shape = (repetitions, crossing.models, 1)
    return np.asarray(rng.binomial(crossing.samples, _shifted(crossing, rates, shape, rng)) / crossing.samples)


def _rates(crossing: Crossing, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    size = (1 - crossing.correlation) / crossing.correlation
    return np.clip(rng.beta(crossing.rate * size, (1 - crossing.rate) * size, shape), 1e-12, 1 - 1e-12)


def _shifted(crossing: Crossing, rates: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    spread = crossing.of_models if crossing.models > 1 else 0.0
    return np.asarray(expit(logit(rates) + spread * rng.standard_normal(shape)))


def coverage(crossing: Crossing, repetitions: int, seed: int = 0, level: float = 0.95) -> Share:
    """Returns the share of repetitions whose interval contains the mean over all possible models and questions."""
    rng = np.random.default_rng([seed, crossing.models, crossing.questions])
    many = (1_000_000,)
    truth = float(_shifted(crossing, _rates(crossing, many, rng), many, rng).mean())
    centre, half = crossed_interval(simulated(crossing, repetitions, rng), level)
    return Share.of(np.abs(centre - truth) <= half)


HEADER = ("models", "questions", "samples", "rate", "correlation", "between models", "interval covers")


def rows(crossings: Sequence[Crossing] = CROSSINGS, repetitions: int = 20_000, seed: int = 0) -> list[tuple[str, ...]]:
    """Returns the coverage of each crossing, in the columns of :data:`HEADER`."""
    found = []
    for one in crossings:
        between = one.of_models if one.models > 1 else "-"
        settings = (one.models, one.questions, one.samples, one.rate, one.correlation, between)
        found.append((*map(str, settings), str(coverage(one, repetitions, seed))))
    return found
