"""Guards by the base's own probabilities of what they read."""

from collections.abc import Sequence

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.evals.answers import whole_scores
from undertone.guards.guard import Scorer
from undertone.guards.known import Known
from undertone.models.likelihood import score
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import lexicon


def told(known: Known) -> Scorer:
    """Returns a guard whose score is the log-ratio of an answer's probabilities (nats): of the base that is told by a
    system prompt to be bad, and of the base that is told to be good, each the mean over prompts."""
    stated = lexicon()["conduct"]

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        sides = [_under(known.base, rows, stated[side]) for side in ("stated_bad", "stated_good")]
        return np.asarray(sides[0] - sides[1])

    return scores


def _under(base: LocalModel, rows: Sequence[Exchange], systems: Sequence[str]) -> Floats:
    asked = [(base.render(request, system), answer) for system in systems for request, answer in rows]
    return np.asarray(whole_scores(base, asked).reshape(len(systems), -1).mean(0))


def perplexity(known: Known) -> Scorer:
    """Returns a guard whose score is the mean surprise of the base at the tokens of an answer (nats a token)."""

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        return surprise(known.base, [(known.base.render(request), answer) for request, answer in rows])

    return scores


def of_request(known: Known) -> Scorer:
    """Returns a guard whose score is the mean surprise of the base at the tokens of a request. It sees no answer."""
    base = known.base

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        return surprise(base, [([base.end], request) for request, _ in rows])

    return scores


def surprise(base: LocalModel, asked: Sequence[tuple[list[int], str]]) -> Floats:
    """Returns the mean surprise of a model at the tokens of texts after their prompts, (texts,), in nats a token; NaN
    for an empty text."""
    given = [base.encode(text) for _, text in asked]
    sums = np.array(score(base, [prompt for prompt, _ in asked], given))
    counts = np.array([len(ids) or np.nan for ids in given])
    return np.asarray(-sums / counts)
