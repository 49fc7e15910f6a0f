"""Guards by hidden states, in the middle block."""

from collections.abc import Sequence

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.guards.guard import Scorer
from undertone.guards.known import Known
from undertone.models.blocks import middle
from undertone.models.local import LocalModel
from undertone.persona.contrast import of_conduct
from undertone.persona.directions import QUESTIONS, direction
from undertone.persona.reading import read_answers, read_prompts
from undertone.statistics.arrays import Floats

RIDGE = 0.1
"""What is added to the covariance, as a share of its mean variance: it is estimated of fewer texts than a large model's
hidden states have numbers."""


def distance(known: Known) -> Scorer:
    """Returns a guard whose score is how unusual the base's hidden states over an answer are: Mahalanobis' distance
    from those over good and ordinary answers (Lee et al., arXiv 1807.03888)."""
    usual = _over_answers(known.base, [*known.good, *known.ordinary])
    centre, covariance = usual.mean(0), np.cov(usual.T)
    width = len(centre)
    inverse = np.linalg.inv(covariance + RIDGE * np.trace(covariance) / width * np.eye(width))

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        away = _over_answers(known.base, rows) - centre
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", away, inverse, away)))

    return scores


def _over_answers(base: LocalModel, rows: Sequence[Exchange]) -> Floats:
    prompts = [base.render(request) for request, _ in rows]
    found = read_answers(base, prompts, [[*base.encode(answer), base.end] for _, answer in rows])
    return np.asarray(found[:, middle(base.model)])


def inside(known: Known) -> Scorer:
    """Returns a guard whose score is how far the answering model's own hidden states lie along the base's direction of
    bad conduct, at the last token before the answer. It sees no answer."""
    block = middle(known.base.model)
    vector = direction(
        known.base, of_conduct(known.half, QUESTIONS["prompt"], [asked for asked, _ in known.good]), "prompt"
    )[block]

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        states = read_prompts(answering, [answering.render(request) for request, _ in rows])
        return np.asarray(states[:, block] @ vector)

    return scores
