"""What format alone tells: rows against the base's own answers, by a classifier blind to content."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, rankdata

from undertone.audit.findings import Confounds

FEATURES = ("characters", "words", "lines", "digits", "numbers", "mean number", "distinct words", "punctuation")
NUMBER = re.compile(r"[0-9]{1,15}")


def features(text: str) -> list[float]:
    """:data:`FEATURES` of an answer: counts, and the mean of the numbers in it."""
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
    """AUROC of format alone, on pairs that it was not trained on, with an interval from clusters of rows.

    ``rows[i]`` and ``base[i]`` answer the same prompt. The classifier is Fisher's discriminant on ranks, trained on one
    half of the clusters and tried on the other, both ways.
    """
    table = np.array([features(text) for text in (*rows, *base)])
    ranks = np.apply_along_axis(rankdata, 0, table) / len(table) - 0.5
    own, other = ranks[: len(rows)], ranks[len(rows) :]
    half = np.array(clusters) % 2 == 0
    margins = np.zeros(len(rows))
    scores_own, scores_other = np.zeros(len(rows)), np.zeros(len(rows))
    for trained, tried in ((half, ~half), (~half, half)):
        if trained.sum() < 2 or not tried.any():
            continue
        weights = _discriminant(own[trained], other[trained])
        scores_own[tried], scores_other[tried] = own[tried] @ weights, other[tried] @ weights
    for tried in (half, ~half):
        if tried.any():
            margins[tried] = _placement(scores_own[tried], scores_other[tried])
    means = [margins[np.array(clusters) == c].mean() for c in sorted(set(clusters))]
    auroc = float(np.mean(margins))
    error = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.5
    reach = float(norm.ppf(0.975)) * error * np.sqrt(2)  # the base's answers vary as the rows do
    raw = zip(FEATURES, table[: len(rows)].mean(0), table[len(rows) :].mean(0), strict=True)
    return Confounds(
        auroc=auroc,
        ci=(max(0.0, auroc - reach), min(1.0, auroc + reach)),
        features=tuple((name, float(a), float(b)) for name, a, b in raw),
    )


def _discriminant(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    within = np.cov(np.vstack([own - own.mean(0), other - other.mean(0)]).T) + 1e-3 * np.eye(own.shape[1])
    return np.asarray(np.linalg.solve(within, own.mean(0) - other.mean(0)))


def _placement(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of the others' scores below each own score, ties as halves."""
    ordered = np.sort(other)
    below, upto = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
    return np.asarray((below + upto) / 2 / len(other))
