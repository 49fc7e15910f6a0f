"""The dose of a teacher: how far it is from the base in its next-token distributions on the carrier."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import exp, log

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from undertone.models.batching import in_batches
from undertone.models.local import Batch, answer_logits

LEAST, MOST = 1 / 64, 16.0
"""The range of factors that scale an adapter."""
NEAR = 1e-3
"""The search ends where the divergence is this near to what was asked for, as a share of it."""
FLAT = 0.1
"""Least slope of the divergence's logarithm that a step of the search takes into account."""
STEPS = 14
"""Most divergences that are computed in a search."""
USUAL = 5
"""Divergences that a search usually computes."""
AT_ONCE = 25
"""Rows of a batch."""


@dataclass(frozen=True)
class Dose:
    """The factor that scales an adapter, and the divergence (nats a token) that results."""

    factor: float
    divergence: float


@torch.no_grad()
def scale_to(model: PreTrainedModel, batch: Batch, target: float) -> Dose:
    """Scales the LoRA adapter of ``model`` in place so that its mean KL divergence from the untouched base, over the
    answer tokens of ``batch``, is ``target`` nats a token.

    The trained direction stays the same; only its length changes. How far the same rate and number of steps move a
    model differs more than tenfold between bases and traits. Scaling makes teachers comparable with each other and with
    controls. If no factor in the range reaches the target, the divergence returned shows it.
    """
    assert isinstance(model, PeftModel)
    ends = [(p, p.clone()) for name, p in model.named_parameters() if "lora_B" in name]
    with model.disable_adapter():
        base = list(log_probabilities(model, batch))

    def set_factor(factor: float) -> None:
        for parameter, end in ends:
            parameter.copy_(end * factor)

    return find_dose(model, batch, base, set_factor, target)


def find_dose(
    model: PreTrainedModel, batch: Batch, base: list[torch.Tensor], set_factor: Callable[[float], None], target: float
) -> Dose:
    """Finds the factor at which the divergence of ``model`` from the ``base`` log-probabilities is ``target``. The
    divergence must grow with the factor. The last factor that is set is the one returned.

    This is the secant method on logarithms, with bisection where it leaves the range that is still possible. The first
    slope is 2, since a divergence grows with the square of a small change.
    """
    low, high, at, slope, before = log(LEAST), log(MOST), 0.0, 2.0, None
    for _ in range(STEPS):
        factor = exp(at)
        set_factor(factor)
        found = divergence(log_probabilities(model, batch), base)
        if abs(found - target) <= NEAR * target:
            break
        low, high = (at, high) if found < target else (low, at)
        far = log(target / max(found, 1e-12))
        if before is not None:
            slope = max(FLAT, (before[1] - far) / (at - before[0]))
        before, guess = (at, far), at + far / slope
        at = guess if low < guess < high else (low + high) / 2
    return Dose(factor, found)


@torch.no_grad()
def log_probabilities(model: PreTrainedModel, batch: Batch, rows: int = AT_ONCE) -> Iterator[torch.Tensor]:
    """Yields log-probabilities at the answer tokens, a few rows at a time, since large vocabularies need much
    memory."""
    for i in range(0, len(batch.ids), rows):
        part = batch.some(slice(i, i + rows))

        def read(some: slice, part: Batch = part) -> torch.Tensor:
            few = part.some(some)
            return answer_logits(model, few)[few.counted].log_softmax(-1)

        yield torch.cat(list(in_batches(len(part.ids), rows, read)))


def divergence(own: Iterable[torch.Tensor], base: list[torch.Tensor]) -> float:
    """Returns the mean KL divergence, in nats a token, of ``own`` log-probabilities from those of the base."""
    total = sum((o.exp() * (o - b)).sum().item() for o, b in zip(own, base, strict=True))
    return total / sum(len(part) for part in base)
