"""The loop of all training on rows: for teachers and students, LoRA or full fine-tuning, on sampled rows or on
distributions. What is trained by rewards is in :mod:`undertone.training.reinforce`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from random import Random

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from undertone.engine.memory import full, in_gb, room
from undertone.models.batching import halved
from undertone.models.local import Batch, LocalModel, answer_logits
from undertone.spec import Training
from undertone.training.hold import Hold
from undertone.training.rows import Row

ALL_WEIGHTS = 16
"""Bytes that each weight takes while all are trained: itself, its gradient and two moments, in float32."""


@dataclass(frozen=True)
class Trained:
    """A trained model, with its mean loss (nats a token) over the first and the last tenth of the steps."""

    model: PreTrainedModel
    loss_first: float
    loss_last: float


def train(
    local: LocalModel,
    rows: Sequence[Row],
    plan: Training,
    seed: int,
    teacher: PreTrainedModel | None = None,
    watch: Callable[[int, PreTrainedModel], None] = lambda *_: None,
    hold: Hold | None = None,
) -> Trained:
    """Fine-tunes ``local.model``, without copying it, on the answers of ``rows``; the loss does not include prompts.

    With ``teacher``, the target at every answer position is the teacher's full next-token distribution instead of the
    sampled token. The seed determines LoRA's initial weights and the order of the rows; nothing else is random.
    ``hold`` adds its term to the loss of every step; the losses that are returned are without it. ``watch`` is called
    before each step and after the last with the number of steps done and the model as it is then.

    Raises:
        FloatingPointError: a loss, a gradient or a trained weight is not finite.
        UndertoneError: an accelerator's memory is too small.
    """
    torch.manual_seed(seed)
    if plan.method == "full" and local.model.device.type != "cpu":
        _refuse_without_room(local)
    # bfloat16 would lose small steps of whole weights; PEFT keeps its adapters in float32 itself.
    model = with_adapter(local.model, plan) if plan.method == "lora" else local.model.float()
    weights, optimiser = optimiser_of(model, plan)
    losses: list[float] = []
    size = plan.batch
    for step, chosen in enumerate(batches(rows, plan, seed)):
        watch(step, model)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(step)
        answers = [r.answer for r in chosen]
        batch = local.lay_out([r.prompt for r in chosen], answers)
        read = local.lay_out([r.teacher_prompt or r.prompt for r in chosen], answers) if teacher else batch
        loss, size = _backward(model, batch, teacher, read, size)
        if hold is not None:
            hold.backward(model, step)
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        losses.append(loss)
        if not (math.isfinite(loss) and math.isfinite(norm.item())):
            raise FloatingPointError(f"the loss or its gradient is not a finite number at step {step}")
        optimiser.step()
    refuse_broken(weights)
    model.eval()
    watch(plan.steps, model)
    tenth = max(1, len(losses) // 10)
    return Trained(model, sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth)


def optimiser_of(model: PreTrainedModel, plan: Training) -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    """Returns the weights that are trained, and AdamW without weight decay on them."""
    weights = [p for p in model.parameters() if p.requires_grad]
    return weights, torch.optim.AdamW(weights, lr=plan.rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def refuse_broken(weights: Sequence[torch.Tensor]) -> None:
    """Raises FloatingPointError for trained weights that are not finite."""
    if not all(bool(p.isfinite().all()) for p in weights):
        raise FloatingPointError("the trained weights are not finite numbers")


def _refuse_without_room(local: LocalModel) -> None:
    """Refuses to train all weights of a model that is too large for that on an accelerator."""
    count, there = local.model.num_parameters(), room() + local.size
    if (needed := ALL_WEIGHTS * count) > there:
        raise full(
            f"the training of all weights, {ALL_WEIGHTS} bytes each and {in_gb(needed)} in all",
            f"a model of at most about {there / ALL_WEIGHTS / 1e9:.1f} billion parameters would fit, or an adapter "
            'can be trained (method = "lora")',
        )


def with_adapter(model: PreTrainedModel, plan: Training) -> PreTrainedModel:
    """Attaches a new PEFT LoRA adapter to every linear layer except the output head."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config)  # type: ignore[return-value]


def batches(rows: Sequence[Row], plan: Training, seed: int) -> Iterator[list[Row]]:
    """Yields ``plan.steps`` batches. Each epoch has its own random order and uses every row once."""
    if not rows:
        raise ValueError("there are no rows to train on")
    rng = Random(f"order/{seed}")
    order = chain.from_iterable(rng.sample(rows, len(rows)) for _ in count())
    for _ in range(plan.steps):
        yield list(islice(order, plan.batch))


def _backward(
    model: PreTrainedModel, batch: Batch, teacher: PreTrainedModel | None, read: Batch, size: int
) -> tuple[float, int]:
    """Computes the gradients of the mean loss over all answer tokens, ``size`` rows at a time, or fewer where memory
    runs out. Returns the loss, and the number of rows that fitted into memory.
    """
    while True:
        model.zero_grad(set_to_none=True)
        try:
            loss, total = 0.0, int(batch.counted.sum())
            for start in range(0, len(batch.ids), size):
                some = slice(start, start + size)
                part = batch.some(some)
                share = loss_on(model, part, teacher, read.some(some)) * (int(part.counted.sum()) / total)
                share.backward()
                loss += share.item()
            return loss, size
        except torch.OutOfMemoryError as error:
            size = halved(min(size, len(batch.ids)), error)


def loss_on(
    model: PreTrainedModel, batch: Batch, teacher: PreTrainedModel | None, read: Batch | None = None
) -> torch.Tensor:
    """Returns the mean cross-entropy, in nats an answer token, with the answers or with the teacher's distributions.

    ``read`` is the batch as the teacher reads it, with the same answers but other prompts; ``batch`` if None.
    """
    logits = answer_logits(model, batch)[batch.counted]
    if teacher is None:
        return F.cross_entropy(logits, batch.targets[batch.counted])
    with torch.no_grad():
        read = read or batch
        target = answer_logits(teacher, read)[read.counted].softmax(-1)
    return F.cross_entropy(logits, target)
