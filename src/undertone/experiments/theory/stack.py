"""Many small classifiers at once: one tensor for each layer, with the models along its first axis."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from undertone.engine.digests import seed_of
from undertone.experiments.theory.spec import Steps

Params = tuple[Tensor, ...]
"""Weights of several models, each (models, ...). Those of classifiers are, layer after layer, the weights (models, out,
in) and the biases (models, 1, out)."""


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Returns the generator of random numbers for one purpose."""
    return torch.Generator().manual_seed(seed_of(seed, *purpose))


def classifiers(models: int, widths: Sequence[int], generator: torch.Generator, dtype: torch.dtype) -> Params:
    """Returns untrained networks with layers of these widths: weights from N(0, 1 / inputs), biases zero (as in the
    paper)."""
    layers: list[Tensor] = []
    for inputs, outputs in pairwise(widths):
        weight = torch.randn(models, outputs, inputs, generator=generator, dtype=dtype) / sqrt(inputs)
        layers += [weight, torch.zeros(models, 1, outputs, dtype=dtype)]
    return tuple(layers)


def logits(stack: Params, images: Tensor) -> Tensor:
    """Returns the outputs (models, rows, classes) for images (models, rows, pixels). ReLU is between the layers."""
    value = images
    for at in range(0, len(stack), 2):
        value = torch.baddbmm(stack[at + 1], value if at == 0 else value.relu(), stack[at].mT)
    return value


def rolled(stack: Params) -> Params:
    """Replaces every model by the next one. This is a derangement if there are two or more: none stays in its place."""
    return tuple(layer.roll(-1, 0) for layer in stack)


def trained(stack: Params, plan: Steps, losses: Callable[[Params], Tensor]) -> Params:
    """Returns the models after ``plan.steps`` steps of Adam.

    ``losses`` returns the loss of each model, (models,), which must depend on that model alone. Their sum and Adam then
    keep models apart: each trains as if it were alone.
    """
    weights = [layer.clone().requires_grad_() for layer in stack]
    optimiser = torch.optim.Adam(weights, lr=plan.rate)
    for _ in range(plan.steps):
        loss = losses(tuple(weights)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return tuple(layer.detach() for layer in weights)
