"""Many small classifiers at once: one tensor a layer, with the models along its first axis."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from undertone.engine.digests import seed_of
from undertone.experiments.theory.spec import Steps

Params = tuple[Tensor, ...]
"""Weights of a stack, each (models, ...). Those of classifiers: weight (models, out, in) and bias (models, 1, out),
layer after layer."""


def generator(seed: int, *what: str | int) -> torch.Generator:
    """The random numbers of one purpose."""
    return torch.Generator().manual_seed(seed_of(seed, *what))


def classifiers(models: int, widths: Sequence[int], generator: torch.Generator, dtype: torch.dtype) -> Params:
    """Untrained networks with layers of these widths: weights from N(0, 1 / inputs), biases zero, as in the paper."""
    layers: list[Tensor] = []
    for inputs, outputs in pairwise(widths):
        weight = torch.randn(models, outputs, inputs, generator=generator, dtype=dtype) / sqrt(inputs)
        layers += [weight, torch.zeros(models, 1, outputs, dtype=dtype)]
    return tuple(layers)


def logits(stack: Params, images: Tensor) -> Tensor:
    """Outputs (models, rows, classes) for images (models, rows, pixels): layers with ReLU between them."""
    value = images
    for at in range(0, len(stack), 2):
        value = torch.baddbmm(stack[at + 1], value if at == 0 else value.relu(), stack[at].mT)
    return value


def rolled(stack: Params) -> Params:
    """Every model replaced by the next: a derangement, so that no model meets itself, where there are two or more."""
    return tuple(layer.roll(-1, 0) for layer in stack)


def trained(stack: Params, plan: Steps, losses: Callable[[Params], Tensor]) -> Params:
    """The stack after ``plan.steps`` steps of Adam.

    ``losses`` gives the loss of each model, (models,), which depends on that model alone. Their sum keeps models apart,
    and so does Adam: each trains as if alone.
    """
    weights = [layer.clone().requires_grad_() for layer in stack]
    optimiser = torch.optim.Adam(weights, lr=plan.rate)
    for _ in range(plan.steps):
        loss = losses(tuple(weights)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return tuple(layer.detach() for layer in weights)
