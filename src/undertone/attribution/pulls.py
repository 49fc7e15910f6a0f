"""Scores of rows along directions, taken from a backward pass without the gradient of any weight.

The gradient of a linear layer's weight is a sum over tokens: the outer product of what goes into the layer with the
gradient of what comes out. Only its inner product with each direction is needed here, for each piece of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from undertone.attribution.directions import Directions
from undertone.models.local import LocalModel, answer_logits
from undertone.training.rows import Row


class Pulls:
    """A model whose linear layers are watched. Made by :func:`watched`."""

    def __init__(self, local: LocalModel, directions: Directions) -> None:
        self._local, self._count = local, len(directions.names)
        self._sides: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}
        for name, up in directions.up.items():
            module = local.model.get_submodule(name.removesuffix(".weight"))
            out = up.permute(1, 0, 2).flatten(1).to(local.model.device)
            into = directions.down[name].permute(2, 0, 1).flatten(1).to(local.model.device)
            # GPT-2 stores its weights as (in, out), so the two sides change places.
            self._sides[module] = (into, out) if isinstance(module, Conv1D) else (out, into)
        self._rows, self._sums = 1, torch.zeros(0)

    @property
    def layers(self) -> Iterator[nn.Module]:
        """The layers along whose weights there are directions."""
        return iter(self._sides)

    def of(self, rows: Sequence[Row], size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns the scores of pieces of ``size`` rows each, (pieces, directions), in nats; how many answer tokens
        each has, (pieces,); and its :attr:`~undertone.attribution.scores.Evidence.excess`, (pieces,), in nats; all on
        the CPU."""
        batch = self._local.lay_out([row.prompt for row in rows], [row.answer for row in rows])
        self._rows = size
        self._sums = torch.zeros(len(rows) // size, self._count, device=self._local.model.device)
        likely = answer_logits(self._local.model, batch)[batch.counted].log_softmax(-1)
        surprise = F.nll_loss(likely, batch.targets[batch.counted], reduction="none")
        surprise.sum().neg().backward()
        excess = torch.zeros(batch.counted.shape, device=likely.device)
        with torch.no_grad():
            excess[batch.counted] = surprise - torch.special.entr(likely.exp()).sum(-1)

        def by_piece(tokens: torch.Tensor) -> torch.Tensor:
            return tokens.view(len(self._sums), -1).sum(1).cpu()

        return self._sums.cpu(), by_piece(batch.counted), by_piece(excess)

    def watch(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        """Keeps what goes into a layer until the gradient of what comes out is known."""
        given = inputs[0].detach()
        output.register_hook(lambda gradient: self._add(module, given, gradient))

    def _add(self, module: nn.Module, given: torch.Tensor, gradient: torch.Tensor) -> None:
        out, into = self._sides[module]
        # (pieces, tokens of a piece, width)
        given, gradient = (x.float().reshape(len(self._sums), -1, x.shape[-1]) for x in (given, gradient))
        tokens, (width, columns), height = given.shape[1], into.shape, out.shape[0]
        if tokens * columns * (height + width) < (tokens + columns) * height * width:
            found = ((gradient @ out) * (given @ into)).sum(1)
        else:  # Few columns and many tokens: it takes less work to form the gradient of the weight.
            found = ((gradient.transpose(1, 2) @ given @ into) * out).sum(1)
        self._sums += found.unflatten(1, (self._count, -1)).sum(2)


@contextmanager
def watched(local: LocalModel, directions: Directions) -> Iterator[Pulls]:
    """Watches a model's layers inside the ``with`` block. Meanwhile its weights take no gradient."""
    pulls, weights = Pulls(local, directions), list(local.model.parameters())
    taken = [weight.requires_grad for weight in weights]

    def follow(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        output.requires_grad_()  # No weight takes a gradient, so it has to start at the embeddings.

    hooks = [layer.register_forward_hook(pulls.watch) for layer in pulls.layers]
    hooks.append(local.model.get_input_embeddings().register_forward_hook(follow))
    local.model.requires_grad_(False)
    try:
        yield pulls
    finally:
        for hook in hooks:
            hook.remove()
        for weight, before in zip(weights, taken, strict=True):
            weight.requires_grad_(before)
