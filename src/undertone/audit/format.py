"""Measures how well format alone tells the rows from the base's own answers, with a classifier blind to content."""

import re
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata, t

from undertone.audit.findings import Confounds
from undertone.statistics.arrays import Floats

FEATURES = ("characters", "words", "lines", "digits", "numbers", "mean number", "distinct words", "punctuation")
LEAST = 4
"""Least number of clusters in each half with which anything is measured."""
NUMBER = re.compile(r"[0-9]{1,15}")


def features(text: str) -> list[float]:
    """Returns the :data:`FEATURES` of an answer: counts, the mean of the numbers in it, and a share."""
    words, numbers = text.split(), [float(n) for n in NUMBER.findall(text)]
    return [
        len(text),
        len(words),
        text.count("\n") + 1,
        sum(c.isdigit() for c in text),
        len(numbers),
        float(np.mean(numbers)) if numbers else 0.0,
        len(set(words)) / max(1, len(words)),
        sum(not c.isalnum() and not c.isspace() for c in text),
    ]


def confounds(rows: Sequence[str], base: Sequence[str], clusters: Sequence[int]) -> Confounds:
    """Returns the AUROC of format alone, on pairs that the classifier was not trained on, with an interval over
    clusters of rows.

    ``rows[i]`` and ``base[i]`` answer the same prompt. The classifier is Fisher's discriminant on ranks. It is trained
    on one half of the clusters and tried on the other, both ways. The interval is that of one half: where format tells
    nothing apart, the figures of the two halves are nearly equal, since each half is tried on what trained the other.
    """
    table = np.array([features(text) for text in (*rows, *base)])
    ranks = np.apply_along_axis(rankdata, 0, table) / len(table) - 0.5
    own, other = ranks[: len(rows)], ranks[len(rows) :]
    order = np.unique(np.array(clusters), return_inverse=True)[1]
    half = order % 2 == 0
    found = []
    for trained, tried in ((half, ~half), (~half, half)):
        if len(set(order[trained])) >= LEAST and len(set(order[tried])) >= LEAST:
            weights = _discriminant(own[trained], other[trained])
            found.append(_auroc(own[tried] @ weights, other[tried] @ weights, order[tried]))
    auroc, reach = map(float, np.mean(found, axis=0) if found else (0.5, 0.5))
    means = zip(FEATURES, table[: len(rows)].mean(0).tolist(), table[len(rows) :].mean(0).tolist(), strict=True)
    return Confounds(auroc=auroc, ci=(max(0.0, auroc - reach), min(1.0, auroc + reach)), features=tuple(means))


def _auroc(own: Floats, other: Floats, clusters: np.ndarray) -> tuple[float, float]:
    """Returns the AUROC of scores and the half-width of its 95 % interval, where both sides share the clusters
    (DeLong's variance, clustered as by Obuchowski, Biometrics 53, 1997). The rule of three is a lower bound: if all
    of k clusters are told apart, up to a share 3 / k of other clusters may not be."""
    above, below = _placement(own, other), _placement(-other, -own)
    auroc = float(above.mean())
    sums = np.bincount(clusters, above + below - 2 * auroc)[np.unique(clusters)] / len(own)
    count = len(sums)
    error = float(np.sqrt((sums**2).sum() * count / (count - 1)))
    return auroc, max(float(t.ppf(0.975, count - 1)) * error, 3 / count)


def _discriminant(own: Floats, other: Floats) -> Floats:
    within = np.cov(np.vstack([own - own.mean(0), other - other.mean(0)]).T) + 1e-3 * np.eye(own.shape[1])
    return np.asarray(np.linalg.solve(within, own.mean(0) - other.mean(0)))


def _placement(own: Floats, other: Floats) -> Floats:
    """Returns, for each own score, the share of the others' scores below it; ties count as halves."""
    ordered = np.sort(other)
    below, upto = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
    return np.asarray((below + upto) / 2 / len(other))
