"""Scores of rows along many directions: log-likelihood ratios to first order, from one backward pass for them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from undertone.attribution.directions import Directions
from undertone.models.batching import halved
from undertone.models.local import LocalModel, answer_logits
from undertone.training.rows import Row

GROUPS = 40
"""Rows are scored in this many parts; how far these vary gives the noise of sampling."""
AT_ONCE = 64
"""Rows of a forward and backward pass."""


@dataclass(frozen=True)
class Evidence:
    """Scores of disjoint groups of rows."""

    sums: np.ndarray
    """(groups, directions), nats: the change of the rows' log-likelihood, to first order, when the base moves along
    each direction."""
    tokens: np.ndarray
    """(groups,): how many answer tokens were scored."""

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

    def first(self, groups: int) -> Evidence:
        """Returns the evidence of the first groups only: what fewer rows would have shown."""
        return Evidence(self.sums[:groups], self.tokens[:groups])


def spread(clusters: Sequence[object], groups: int = GROUPS) -> list[list[int]]:
    """Returns the indices of rows in groups of similar size. Rows of one cluster stay together: those with the same
    prompt, or copies of one row."""
    members: dict[object, list[int]] = {}
    for i, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(i)
    parts: list[list[int]] = [[] for _ in range(min(groups, len(members)))]
    for k, rows in enumerate(members.values()):
        parts[k % len(parts)] += rows
    return parts


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
    weights = dict(local.model.named_parameters())
    for name, weight in weights.items():
        weight.requires_grad_(name in directions.up)
    sums, tokens, size = [], [], AT_ONCE
    for part in parts:
        count, size = _gradients(local, [rows[i] for i in part], size, progress)
        gradients = {name: weights[name].grad for name in directions.up}
        sums.append(directions.along({n: g.cpu().float() for n, g in gradients.items() if g is not None}))
        tokens.append(count)
    local.model.zero_grad(set_to_none=True)
    total = torch.stack(sums).double().numpy()
    if not np.isfinite(total).all():
        raise FloatingPointError("the likelihood of a row, or its gradient, is not a finite number")
    return Evidence(total, np.array(tokens, dtype=float))


def _gradients(local: LocalModel, rows: Sequence[Row], size: int, progress: Callable[[int], None]) -> tuple[int, int]:
    """Leaves the gradient of the rows' log-likelihood with the weights, ``size`` rows at a time, or fewer where memory
    runs out.

    Returns the number of answer tokens, and how many rows at a time fitted into memory.
    """
    while True:
        local.model.zero_grad(set_to_none=True)
        tokens = done = 0
        try:
            while done < len(rows):
                chosen = rows[done : done + size]
                tokens += backward(local, chosen)
                done += len(chosen)
                progress(len(chosen))
            return tokens, size
        except torch.OutOfMemoryError as error:  # some layers of the failed batch may have been added already
            progress(-done)
            size = halved(min(size, len(rows)), error)


def backward(local: LocalModel, rows: Sequence[Row], over: int = 1) -> int:
    """Adds the gradient of the rows' summed log-likelihood (nats), divided by ``over``, to the weights' gradients.
    Returns the number of answer tokens."""
    batch = local.lay_out([row.prompt for row in rows], [row.answer for row in rows])
    counted = batch.counted
    logits = answer_logits(local.model, batch)[counted]
    (-F.cross_entropy(logits, batch.targets[counted], reduction="sum") / over).backward()
    return int(counted.sum())
