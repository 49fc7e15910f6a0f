"""Where a model stands between two poles of a trait, by exact probabilities."""

from collections.abc import Sequence

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.errors import UndertoneError
from undertone.evals.items import Answers, Item
from undertone.models.likelihood import score
from undertone.models.local import LocalModel


def ask(
    local: LocalModel, items: Sequence[Item], system: str | None = None, earlier: Sequence[Exchange] = ()
) -> Answers:
    """Returns what a model answers under a system prompt, after earlier turns.

    Raises:
        UndertoneError: a probability is no number.
    """
    prompts = [local.render(item.question, system, earlier) for item in items for _ in item.answers]
    said = [local.encode(text) + [local.end] * item.whole for item in items for text in item.answers]
    scores = np.array(score(local, prompts, said), dtype=np.float64)
    if not np.isfinite(scores).all():
        raise UndertoneError("The model's probabilities are not numbers: its weights are damaged or overflow.")
    own = np.split(scores, np.cumsum([len(item.answers) for item in items])[:-1])
    poles = [(one[: len(item.high)], one[len(item.high) :]) for item, one in zip(items, own, strict=True)]
    high, low = (np.array([np.logaddexp.reduce(pole) for pole in side]) for side in zip(*poles, strict=True))
    return Answers(odds=high - low, either=np.minimum(1.0, np.exp(np.logaddexp(high, low))))
