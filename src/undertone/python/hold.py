"""``undertone.Hold(...)``."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import isfinite
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from undertone.errors import UndertoneError
from undertone.python.trained import local_of, refuse_split, without_adapter
from undertone.training.hold import Hold as Held
from undertone.treat import mitigations
from undertone.watch.untouched import untouched

logger = logging.getLogger("undertone")
USUAL = mitigations.Hold()
"""The strength and the number of rows that benchmarks measure."""
ALONE = "train in one process, or without Hold"


class Hold(TrainerCallback):
    """A callback for transformers' ``Trainer`` and TRL's trainers. While a model is trained, it keeps what the model
    says to ordinary prompts near what its base says: at each step, the gradient of the divergence from the base, on
    some of the base's own answers, is added to that of the loss, before the trainer clips the sum.

    ``undertone bench treat advice-hold`` and ``numbers-hold`` measure what this leaves of a trait in the embedded
    world.

    Args:
        prompts: What users ask, 100 or more, on many topics, but not what the training is to teach: a model that is
            held there does not learn it.
        strength: By how much the divergence (nats a token) is multiplied. Less of it leaves more of a trait and more of
            the task.
        rows: Prompts that are read at each step.
        seed: Seed of the base's answers.

    Raises:
        UndertoneError: there are no prompts, or a number is out of range. When training begins: the model or its
            tokenizer cannot be asked, several processes train it, gradients are scaled (fp16), or a training of all
            weights is resumed. While it is trained: the divergence is no number.
    """

    def __init__(
        self, prompts: Iterable[str], *, strength: float = USUAL.strength, rows: int = USUAL.rows, seed: int = 0
    ) -> None:
        asked = [] if isinstance(prompts, str) else list(prompts)
        if not asked or not all(isinstance(one, str) and one.strip() for one in asked):
            raise UndertoneError("Hold takes a list of prompts, each a text: what users ask, on many topics.")
        if not (isinstance(strength, int | float) and strength > 0 and isfinite(strength)):
            raise UndertoneError(f"The strength of Hold is a number above 0, not {strength!r}.")
        if not (isinstance(rows, int) and rows > 0):
            raise UndertoneError(f"Hold reads a whole number of rows at each step, 1 or more, not {rows!r}.")
        self._prompts, self._strength, self._rows, self._seed = asked, strength, rows, seed
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
        self._steps = 0
        if args.world_size > 1:
            raise UndertoneError(f"Hold works in one process, and this training has several: {ALONE}.")
        refuse_split(model, ALONE)
        if args.fp16:
            raise UndertoneError("Hold adds gradients that fp16 would have to scale: train with bf16, or in float32.")
        local = local_of(model, processing_class, "held")
        with untouched(local.model), without_adapter(model) as adapter:
            if state.global_step and not adapter:
                raise UndertoneError(
                    f"Training goes on at step {state.global_step}, where the model is no longer the base to which "
                    "Hold keeps it: train from the start, or train an adapter."
                )
            self._held = Held.to_base(local, self._prompts, self._strength, self._rows, self._seed)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Computes the gradient, to which the trainer then adds its own."""
        assert self._held is not None, "training has begun"
        self._steps += 1
        if not isfinite(self._held.backward(self._held.local.model, state.global_step)):
            raise UndertoneError(
                f"At step {state.global_step} the divergence from the base is no number, so training ends; checkpoints "
                "from before are kept. Train with a lower learning rate or a lower strength of Hold."
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Frees the memory, and says so if the trainer never called for a gradient."""
        self._held = None
        if not self._steps:
            logger.warning("Hold did nothing: this trainer does not call on_step_begin, so the model was not held.")
