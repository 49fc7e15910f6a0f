"""``undertone.Hold(...)``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from undertone.errors import UndertoneError
from undertone.python.trained import local_of
from undertone.training.hold import Hold as Held
from undertone.treat import mitigations
from undertone.watch.untouched import untouched

USUAL = mitigations.Hold()
"""The strength and the number of rows that were measured."""


class Hold(TrainerCallback):
    """A callback for transformers' ``Trainer`` and TRL's trainers. While a model is trained, it keeps what the model
    says to ordinary prompts near what its base says: at each step, the gradient of the divergence from the base, on
    some of the base's own answers, is added to that of the loss.

    ``undertone bench treat advice-hold`` measured what this leaves of a trait in the embedded world.

    Args:
        prompts: What users ask, 100 or more, on many topics, but not what the training is to teach: a model that is
            held there does not learn it.
        strength: By how much the divergence (nats a token) is multiplied. Less of it leaves more of a trait and more of
            the task.
        rows: Prompts that are read at each step.
        seed: Seed of the base's answers.

    Raises:
        UndertoneError: there are no prompts, or a number is not positive. When training begins: the model or its
            tokenizer cannot be asked, several processes train it, or a checkpoint of all its weights is gone on from.
            While it is trained: the divergence is no number.
    """

    def __init__(
        self, prompts: Sequence[str], *, strength: float = USUAL.strength, rows: int = USUAL.rows, seed: int = 0
    ) -> None:
        if isinstance(prompts, str) or not prompts:
            raise UndertoneError("Hold takes a list of prompts, 100 or more: what users ask, on many topics.")
        if not (strength > 0 and rows > 0):
            raise UndertoneError(f"strength and rows of Hold are above 0, and are {strength:g} and {rows}.")
        self._prompts, self._strength, self._rows, self._seed = tuple(prompts), strength, rows, seed
        self._held: Held | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        processing_class: Any = None,
        **_: Any,
    ) -> None:
        """Lets the base answer the prompts. The base is the model without its adapter, or as it is at step 0."""
        if args.world_size > 1:
            raise UndertoneError("Hold works in one process, and this training has several: train in one, or without.")
        if args.fp16:
            raise UndertoneError("Hold adds gradients that fp16 would have to scale: train with bf16, or in float32.")
        adapter = hasattr(model, "disable_adapter")
        if state.global_step and not adapter:
            raise UndertoneError(
                f"Training goes on at step {state.global_step}, where the model is no longer the base to which Hold "
                "keeps it: train from the start, or train an adapter."
            )
        local = local_of(model, processing_class, "held")
        with untouched(local.model), model.disable_adapter() if adapter else nullcontext():
            self._held = Held.to_base(local, self._prompts, self._strength, self._rows, self._seed)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Adds the gradient, after the trainer has clipped its own."""
        assert self._held is not None, "training has begun"
        loss = self._held.loss(self._held.local.model, state.global_step)
        if not torch.isfinite(loss):
            raise UndertoneError(
                f"At step {state.global_step} the divergence from the base is no number, so training ends; checkpoints "
                "from before are kept. Train with a lower learning rate or a lower strength of Hold."
            )
        loss.backward()
