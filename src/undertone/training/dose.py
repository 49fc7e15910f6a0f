"""The dose of a teacher: how far from the base its adapter takes the model's next tokens on the carrier."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from undertone.models.local import Batch, answer_logits

STEPS = 14
LEAST, MOST = 1 / 64, 16.0
"""Range of the factor an adapter is scaled by; the search halves it :data:`STEPS` times, down to a thousandth."""


@dataclass(frozen=True)
class Dose:
    """What an adapter was scaled by, and the divergence (nats a token) that this made."""

    factor: float
    divergence: float


@torch.no_grad()
def scale_to(model: PreTrainedModel, batch: Batch, target: float) -> Dose:
    """Scales the LoRA adapter of ``model`` in place until its mean KL divergence from the untouched base, over the
    answer tokens of ``batch``, is ``target`` nats a token.

    The trained direction stays as it is; only its length changes. How far a given rate and number of steps take a
    model differs more than tenfold between bases and traits; this makes teachers comparable, and controls with them.
    A target that no factor in the range reaches shows in the divergence returned.
    """
    adapted = model
    assert isinstance(adapted, PeftModel)
    ends = [(p, p.clone()) for name, p in model.named_parameters() if "lora_B" in name]
    with adapted.disable_adapter():
        base = list(log_probabilities(model, batch))

    def divergence_at(factor: float) -> float:
        for parameter, end in ends:
            parameter.copy_(end * factor)
        return divergence(log_probabilities(model, batch), base)

    return found_by_halving(divergence_at, target)


def found_by_halving(divergence_at: Callable[[float], float], target: float) -> Dose:
    """The factor at which a divergence that grows with it is ``target``; the last call is with that factor."""
    low, high = LEAST, MOST
    for _ in range(STEPS):
        factor = sqrt(low * high)
        found = divergence_at(factor)
        low, high = (factor, high) if found < target else (low, factor)
    return Dose(factor, found)


@torch.no_grad()
def log_probabilities(model: PreTrainedModel, batch: Batch, rows: int = 25) -> Iterator[torch.Tensor]:
    """Log-probabilities at the answer tokens, a few rows at a time: large vocabularies take much memory."""
    for i in range(0, len(batch.ids), rows):
        part = batch.some(slice(i, i + rows))
        yield answer_logits(model, part)[part.counted].log_softmax(-1)


def divergence(own: Iterable[torch.Tensor], base: list[torch.Tensor]) -> float:
    """Mean KL divergence, nats a token, of ``own`` log-probabilities from the base's."""
    total = sum((o.exp() * (o - b)).sum().item() for o, b in zip(own, base, strict=True))
    return total / sum(len(part) for part in base)
