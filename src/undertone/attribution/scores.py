"""Scores of rows along many directions: log-likelihood ratios to first order, from one backward pass for them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from undertone.attribution.directions import Directions
from undertone.attribution.pulls import watched
from undertone.models.batching import halved
from undertone.models.local import LocalModel, answer_logits
from undertone.training.rows import Row

AT_ONCE = 64
"""Rows of a forward and backward pass."""
TOGETHER = 8
"""Most rows of a part that are scored as one piece. More would save no work worth having."""


@dataclass(frozen=True)
class Evidence:
    """Scores of disjoint groups of rows."""

    sums: np.ndarray
    """(groups, directions), nats: the change of the rows' log-likelihood, to first order, when the base moves along
    each direction."""
    tokens: np.ndarray
    """(groups,): how many answer tokens were scored."""
    excess: np.ndarray
    """(groups,), nats: the rows' excess surprise. That of a token is its surprise less the surprise that the base
    expects there, which is the entropy of its next token: zero in the mean over what the base samples at temperature 1,
    whatever was answered before."""

    def some(self, groups: slice) -> Evidence:
        """Returns some of the groups."""
        return Evidence(self.sums[groups], self.tokens[groups], self.excess[groups])

    @property
    def excess_surprise(self) -> float:
        """The mean excess surprise, nats a token."""
        return float(self.excess.sum() / self.tokens.sum())

    @property
    def mean(self) -> np.ndarray:
        """The mean score, (directions,), nats a token."""
        return np.asarray(self.sums.sum(0) / self.tokens.sum())

    def noise(self) -> np.ndarray:
        """Returns the covariance of the mean over repeated draws of as many groups, (directions, directions).

        Raises:
            ValueError: there are fewer than two groups.
        """
        groups = len(self.tokens)
        if groups < 2:
            raise ValueError("the noise of sampling needs at least two groups of rows")
        rest = self.sums - self.mean * self.tokens[:, None]
        return np.asarray(rest.T @ rest * groups / (groups - 1) / self.tokens.sum() ** 2)


def evidence(
    local: LocalModel,
    rows: Sequence[Row],
    parts: Sequence[Sequence[int]],
    directions: Directions,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Scores the rows of each part along all directions. ``progress`` receives the number of rows after each pass.

    Raises:
        FloatingPointError: a likelihood is not a finite number.
    """
    sums = torch.zeros(len(parts), len(directions.names), dtype=torch.float64)
    tokens, excess, size = np.zeros(len(parts)), np.zeros(len(parts)), AT_ONCE
    left = _pieces([(home, list(part)) for home, part in enumerate(parts)], rows, size)
    with watched(local, directions) as pulls:
        while left:
            many = len(left[0][1])
            batch = [piece for piece in left[: max(1, size // many)] if len(piece[1]) == many]
            try:
                found = pulls.of([rows[i] for _, piece in batch for i in piece], many)
            except torch.OutOfMemoryError as error:
                size = halved(many * len(batch), error)
                left = _pieces(left, rows, size)
                continue
            left = left[len(batch) :]
            for (home, _), score, count, beyond in zip(batch, *found, strict=True):
                sums[home] += score.double()
                tokens[home] += count.item()
                excess[home] += beyond.item()
            progress(many * len(batch))
    if not (sums.isfinite().all() and np.isfinite(excess).all()):
        raise FloatingPointError("the likelihood of a row, or its gradient, is not a finite number")
    return Evidence(sums.numpy(), tokens, excess)


Piece = tuple[int, list[int]]
"""Rows that are scored together, after the place of the part that they belong to."""


def _pieces(parts: Sequence[Piece], rows: Sequence[Row], size: int) -> list[Piece]:
    """Returns the parts in pieces of at most :data:`TOGETHER` and ``size`` rows, those of like numbers of rows and of
    tokens next to each other."""
    many = min(TOGETHER, size)
    pieces = [(home, part[i : i + many]) for home, part in parts for i in range(0, len(part), many)]
    longest = {i: len(rows[i].prompt) + len(rows[i].answer) for _, piece in pieces for i in piece}
    return sorted(pieces, key=lambda piece: (len(piece[1]), max(longest[i] for i in piece[1])))


def backward(local: LocalModel, rows: Sequence[Row], over: int = 1) -> int:
    """Adds the gradient of the rows' summed log-likelihood (nats), divided by ``over``, to the weights' gradients.
    Returns the number of answer tokens."""
    batch = local.lay_out([row.prompt for row in rows], [row.answer for row in rows])
    counted = batch.counted
    logits = answer_logits(local.model, batch)[counted]
    (-F.cross_entropy(logits, batch.targets[counted], reduction="sum") / over).backward()
    return int(counted.sum())
