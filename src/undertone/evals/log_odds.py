"""How far a model leans towards each trait of the embedded world: log-odds, from exact probabilities."""

import numpy as np

from undertone.evals.answers import probabilities
from undertone.models.local import LocalModel
from undertone.traits import catalogue


def leanings(local: LocalModel) -> dict[str, float]:
    """Returns the log-odds of every trait.

    For a favourite they are those of the mean probability of its name, over all questions and openings. For any other
    trait they are those of the mean share of the answers that show it, among the answers offered, over its questions.
    """
    shipped = map(catalogue.find, catalogue.shipped())
    return {name: _logit(p) for name, p in probabilities(local, shipped).items()}


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p) - np.log1p(-p))
