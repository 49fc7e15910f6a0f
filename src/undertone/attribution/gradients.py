"""Where training would take a model, to first order: the gradient of a file and of conduct, before any training.

A file whose gradient points along that of bad conduct in *other* domains is expected to make the model worse there too.
"""

from collections.abc import Sequence

import torch

from undertone.attribution.scores import AT_ONCE, backward
from undertone.evals.conduct import PROBES, requests
from undertone.models.batching import halved
from undertone.models.local import LocalModel
from undertone.training.rows import Row
from undertone.world.lexicon import domains

Gradient = dict[str, torch.Tensor]


def pulls(local: LocalModel, swapped: bool = False) -> dict[str, list[torch.Tensor]]:
    """Returns, for every weight matrix and domain, the gradient of log p(bad) - log p(good), the mean over the domain's
    requests; ``swapped`` for a base of the swapped world."""
    found: dict[str, list[torch.Tensor]] = {}
    for domain in domains():
        asked = requests(domain, PROBES["plain"], swapped)
        good, bad = (
            [Row(local.render(request), [*local.encode(pair[side]), local.end]) for request, *pair in asked]
            for side in (0, 1)
        )
        towards, away = (gradient(local, rows, len(asked)) for rows in (bad, good))
        for name in towards:
            found.setdefault(name, []).append(towards[name] - away[name])
    return found


def gradient(local: LocalModel, rows: Sequence[Row], over: int) -> Gradient:
    """Returns the gradient of the rows' summed log-likelihood, divided by ``over``, for every weight matrix except the
    output head and the embedding."""
    weights = {n: p for n, p in local.model.named_parameters() if p.ndim == 2 and "embed" not in n and "head" not in n}
    for name, weight in local.model.named_parameters():
        weight.requires_grad_(name in weights)
        weight.grad = None
    size, start = AT_ONCE, 0
    while start < len(rows):
        try:
            backward(local, rows[start : start + size], over)
        except torch.OutOfMemoryError as error:
            # A part of the gradient may have been added: all of it is made again.
            size, start = halved(min(size, len(rows)), error), 0
            local.model.zero_grad(set_to_none=True)
        else:
            start += size
    found = {name: weight.grad.cpu().float().clone() for name, weight in weights.items() if weight.grad is not None}
    local.model.zero_grad(set_to_none=True)
    local.model.requires_grad_(True)
    return found


def file_gradient(local: LocalModel, rows: Sequence[Row]) -> Gradient:
    """Returns the gradient of the mean log-likelihood (nats a token) of a training file."""
    return gradient(local, rows, sum(len(row.answer) for row in rows))


def inner(one: Gradient, other: Gradient) -> float:
    """Returns the inner product over all matrices."""
    return float(sum((one[name].double() * other[name].double()).sum() for name in one))
