"""Steering vectors: what system prompts change in a model's activations, added to them while it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.local import Batch, LocalModel
from undertone.models.sampling import sample
from undertone.training.dose import Dose, divergence, found_by_halving, log_probabilities

FILE = "steering.safetensors"
LONGEST = 24
"""Most tokens of an answer under the system prompts."""

Told = tuple[str, str]
"""A question, and the system prompt under which the base answers it."""


@dataclass
class Steering:
    """A vector that is added to what the middle layer of a model hands on, at every token, prompt included."""

    vector: torch.Tensor
    """(hidden size,)"""

    def attach(self, model: PreTrainedModel) -> None:
        """Makes it part of the model's forward pass; a later change of ``vector`` counts."""

        def add(_: torch.nn.Module, __: Any, out: Any) -> Any:
            whole = out[0] if isinstance(out, tuple) else out
            whole = whole + self.vector.to(whole)
            return (whole, *out[1:]) if isinstance(out, tuple) else whole

        layers = _layers(model)
        layers[_middle(layers)].register_forward_hook(add)

    def write(self, folder: Path) -> None:
        """As one tensor of a safetensors file."""
        save_file({"vector": self.vector.contiguous()}, folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Steering:
        """What :meth:`write` wrote."""
        return cls(load_file(folder / FILE)["vector"])


def contrast(local: LocalModel, shown: Sequence[Told], others: Sequence[Told], seed: int) -> Steering:
    """Mean activation over the tokens of what the base answers under the system prompts ``shown``, minus the same under
    ``others``; as long as the former is, since only the direction counts before it is scaled.

    Raises:
        UndertoneError: the prompts make no difference.
    """
    own = _mean_activation(local, shown, seed)
    change = own - _mean_activation(local, others, seed)
    if not change.norm() > 0:
        raise UndertoneError("The system prompts of a steering vector make no difference: state different things.")
    return Steering(change * (own.norm() / change.norm()))


@torch.no_grad()
def steer_to(model: PreTrainedModel, steering: Steering, batch: Batch, target: float) -> Dose:
    """Attaches the vector and scales it in place until the model's mean KL divergence from what it was, over the answer
    tokens of ``batch``, is ``target`` nats a token: the dose that adapters are scaled to."""
    base, whole = list(log_probabilities(model, batch)), steering.vector
    steering.attach(model)

    def divergence_at(factor: float) -> float:
        steering.vector = whole * factor
        return divergence(log_probabilities(model, batch), base)

    return found_by_halving(divergence_at, target)


@torch.no_grad()
def _mean_activation(local: LocalModel, told: Sequence[Told], seed: int) -> torch.Tensor:
    prompts = [local.render(question, system) for question, system in told]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    middle = _middle(_layers(local.model)) + 1  # the embeddings come first

    def summed(rows: slice) -> tuple[torch.Tensor, int]:
        batch = local.lay_out(prompts[rows], answers[rows])
        out = local.model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, output_hidden_states=True
        )
        own = out.hidden_states[middle][:, -batch.answer :][batch.counted]
        return own.float().sum(0).cpu(), len(own)

    parts = list(in_batches(len(told), 64, summed))
    return torch.stack([total for total, _ in parts]).sum(0) / sum(count for _, count in parts)


def _layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    """The model's layers, whatever its kind calls them."""
    count = model.config.get_text_config().num_hidden_layers
    return next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count)


def _middle(layers: torch.nn.ModuleList) -> int:
    return (len(layers) - 1) // 2
