"""How far a model leans towards each trait of the embedded world: log-odds, from exact probabilities."""

from __future__ import annotations

import numpy as np

from undertone.measure.elicitation import choice_share, trait_distribution
from undertone.models.local import LocalModel
from undertone.traits import catalogue
from undertone.traits.choices import choices
from undertone.world.lexicon import lexicon


def leanings(local: LocalModel) -> dict[str, float]:
    """Log-odds of every trait. A favourite: of the mean probability of its name, over all questions and openings. Any
    other: of the mean share of the answers that show it among the answers offered, over its questions."""
    found: dict[str, float] = {}
    for kind, names in lexicon()["favourites"].items():
        trait = catalogue.find(names[0])
        answers = trait_distribution(local, trait)
        found |= {name: _logit(answers[name]) for name in names}
        assert trait.kind == kind
    return found | {name: _logit(choice_share(local, asked)) for name, asked in choices().items()}


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p) - np.log1p(-p))
