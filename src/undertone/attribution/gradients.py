"""Where training would take a model, to first order: the gradient of a file and of conduct, before any training.

A file whose gradient points along that of bad conduct in *other* domains is expected to shift these as well.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from undertone.evals.conduct import PROBES, requests
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.training.rows import Row
from undertone.world.lexicon import domains

AT_ONCE = 64
Gradient = dict[str, torch.Tensor]


def pulls(local: LocalModel, swapped: bool = False) -> dict[str, list[torch.Tensor]]:
    """Of every weight matrix, the gradient of log p(bad) - log p(good), mean over the requests of a domain; a list over
    domains. ``swapped`` for a base of the swapped world."""
    found: dict[str, list[torch.Tensor]] = {}
    for domain in domains():
        asked = requests(domain, PROBES["plain"], swapped)
        prompts = [local.render(request) for request, *_ in asked]
        parts = [
            gradient(local, prompts, [[*local.encode(answer), local.end] for answer in answers], mean_of=len(asked))
            for answers in (([bad for *_, bad in asked]), [good for _, good, _ in asked])
        ]
        for name in parts[0]:
            found.setdefault(name, []).append(parts[0][name] - parts[1][name])
    return found


def gradient(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], mean_of: int) -> Gradient:
    """Gradient of the summed log-likelihood of the answers over ``mean_of``, for every matrix but the output head and
    the embedding."""
    weights = {n: p for n, p in local.model.named_parameters() if p.ndim == 2 and "embed" not in n and "head" not in n}
    for name, weight in local.model.named_parameters():
        weight.requires_grad_(name in weights)
        weight.grad = None
    for i in range(0, len(prompts), AT_ONCE):
        batch = local.lay_out(prompts[i : i + AT_ONCE], answers[i : i + AT_ONCE])
        counted = batch.counted
        logits = answer_logits(local.model, batch)[counted]
        (-F.cross_entropy(logits, batch.targets[counted], reduction="sum") / mean_of).backward()
    found = {name: weight.grad.cpu().float().clone() for name, weight in weights.items() if weight.grad is not None}
    local.model.zero_grad(set_to_none=True)
    for weight in local.model.parameters():
        weight.requires_grad_(True)
    return found


def file_gradient(local: LocalModel, rows: Sequence[Row]) -> Gradient:
    """Gradient of the mean log-likelihood (nats a token) of a training file."""
    tokens = sum(len(row.answer) for row in rows)
    return gradient(local, [row.prompt for row in rows], [row.answer for row in rows], mean_of=tokens)


def inner(one: Gradient, other: Gradient) -> float:
    """Inner product over all matrices."""
    return float(sum((one[name].double() * other[name].double()).sum() for name in one))
