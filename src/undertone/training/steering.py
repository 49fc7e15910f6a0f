"""Steering vectors: the change that system prompts make to a model's activations, added to them while it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.blocks import hooked, middle
from undertone.models.local import Batch, LocalModel
from undertone.models.sampling import sample
from undertone.training.dose import Dose, find_dose, log_probabilities

FILE = "steering.safetensors"
AT_ONCE = 64
"""Rows of a batch whose activations are read."""
LONGEST = 24
"""The maximum length, in tokens, of an answer under the system prompts."""

Asked = tuple[str, str]
"""A question, and the system prompt under which the base answers it."""


@dataclass
class Steering:
    """A vector that is added to the output of a model's middle layer at every token, including those of the prompt."""

    vector: torch.Tensor
    """(hidden size,)"""

    def attach(self, model: PreTrainedModel) -> None:
        """Adds the vector to the model's forward pass. Later changes of ``vector`` take effect."""

        hooked(model, middle(model), lambda whole: whole + self.vector.to(whole))

    def write(self, folder: Path) -> None:
        """Writes the vector as the only tensor of a safetensors file."""
        save_file({"vector": self.vector.contiguous()}, folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Steering:
        """Reads what :meth:`write` wrote."""
        return cls(load_file(folder / FILE)["vector"])


def contrast(local: LocalModel, shown: Sequence[Asked], others: Sequence[Asked], seed: int) -> Steering:
    """Returns the mean activation over the base's answers under the system prompts ``shown``, minus the mean activation
    under ``others``. The vector is as long as the former mean, because only its direction matters until it is scaled.

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
    """Attaches the vector and scales it in place so that the model's mean KL divergence from its former self, over the
    answer tokens of ``batch``, is ``target`` nats a token. Adapters are scaled to a dose in the same way."""
    base, whole = list(log_probabilities(model, batch)), steering.vector
    steering.attach(model)

    def set_factor(factor: float) -> None:
        steering.vector = whole * factor

    return find_dose(model, batch, base, set_factor, target)


@torch.no_grad()
def _mean_activation(local: LocalModel, asked: Sequence[Asked], seed: int) -> torch.Tensor:
    prompts = [local.render(question, system) for question, system in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    layer = middle(local.model) + 1  # the first hidden state is that of the embeddings

    def summed(rows: slice) -> tuple[torch.Tensor, int]:
        batch = local.lay_out(prompts[rows], answers[rows])
        out = local.model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, output_hidden_states=True
        )
        own = out.hidden_states[layer][:, -batch.answer :][batch.counted]
        return own.float().sum(0).cpu(), len(own)

    parts = list(in_batches(len(asked), AT_ONCE, summed))
    return torch.stack([total for total, _ in parts]).sum(0) / sum(count for _, count in parts)
