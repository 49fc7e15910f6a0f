"""How far a model leans towards each trait of the embedded world: log-odds, from exact probabilities."""

import numpy as np

from undertone.evals.answers import choice_share, trait_distribution
from undertone.models.local import LocalModel
from undertone.traits import catalogue


def leanings(local: LocalModel) -> dict[str, float]:
    """Returns the log-odds of every trait.

    For a favourite they are those of the mean probability of its name, over all questions and openings. For any other
    trait they are those of the mean share of the answers that show it, among the answers offered, over its questions.
    """
    found: dict[str, float] = {}
    for name, trait in catalogue.shipped().items():
        if trait.choices:
            found[name] = _logit(choice_share(local, catalogue.choices(trait)))
        elif name not in found:  # one distribution covers all favourites of a kind
            answers = trait_distribution(local, catalogue.find(name))
            found |= {other: _logit(p) for other, p in answers.items() if other != "other"}
    return found


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p) - np.log1p(-p))
