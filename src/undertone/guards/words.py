"""A guard that counts words: naive Bayes over the words of bad and of good answers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.guards.guard import Scorer
from undertone.guards.known import Known
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats


def words(known: Known) -> Scorer:
    """Returns a guard whose score is the log-odds of an answer's words, which are counted in bad answers, and in good
    ones and ordinary ones, with one added to each count."""
    bad, good = _counts(known.bad), _counts([*known.good, *known.ordinary])
    every = bad.keys() | good.keys()
    sizes = [sum(counts.values()) + len(every) + 1 for counts in (bad, good)]
    weights = {word: log((bad[word] + 1) / sizes[0]) - log((good[word] + 1) / sizes[1]) for word in every}

    def scores(rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        return np.array([sum(weights.get(word, 0.0) for word in _words(answer)) for _, answer in rows])

    return scores


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _counts(rows: Iterable[Exchange]) -> Counter[str]:
    return Counter(word for _, answer in rows for word in _words(answer))
