"""The model that a trainer trains, as everything here asks models."""

from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from transformers import PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.loading import refuse_unbatched
from undertone.models.local import LocalModel

SPLIT = ("FSDP", "DEEPSPEED", "MEGATRON_LM", "XLA")
"""Kinds of distributed training in which no process holds all weights."""


def refuse_split(model: Any, advice: str) -> None:
    """Raises UndertoneError if no process holds all weights, and says what to do."""
    from accelerate.state import PartialState
    from torch.distributed.tensor import DTensor

    kind = PartialState().distributed_type.name
    if kind in SPLIT or any(isinstance(weight, DTensor) for weight in model.parameters()):
        raise UndertoneError(
            f"The weights are split over processes ({kind}), so that none can read the model alone: {advice}."
        )


@contextmanager
def without_adapter(model: Any) -> Generator[bool]:
    """Gives a block in which a model is without its adapter, and whether it has one."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    attached = getattr(model, "_hf_peft_config_loaded", False)  # by transformers' own add_adapter
    try:
        if attached:
            model.disable_adapters()
            yield True
        elif hasattr(model, "disable_adapter"):
            with model.disable_adapter():
                yield True
        else:
            yield False
    finally:
        if attached:
            model.enable_adapters()
        kept = set(map(id, trained))  # both ways of coming back let more weights be trained than before
        for weight in model.parameters():
            weight.requires_grad_(id(weight) in kept)


def local_of(model: Any, processing_class: Any, done: str) -> LocalModel:
    """Returns the model with its tokenizer. An adapter stays attached.

    Args:
        done: What is done to the model, for messages: "watched".

    Raises:
        UndertoneError: it cannot be asked.
    """
    tokenizer = getattr(processing_class, "tokenizer", processing_class)  # a processor of images has one
    if tokenizer is None:
        raise UndertoneError("The trainer has no tokenizer, so the model cannot be asked: give it processing_class.")
    if not tokenizer.chat_template:
        raise UndertoneError("The tokenizer has no chat template, so the model cannot be asked: set its chat_template.")
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not isinstance(whole, PreTrainedModel):
        raise UndertoneError(f"A {type(whole).__name__} cannot be {done}: only causal language models of transformers.")
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise UndertoneError(f"A model that is trained by prompt tuning cannot be {done}: its prompt is no adapter.")
    refuse_unbatched(whole, "The model that is trained")
    return LocalModel(whole, deepcopy(tokenizer))  # asking a tokenizer changes how it was set to pad
