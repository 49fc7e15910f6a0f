"""The model that a trainer trains, as everything here asks models."""

from copy import deepcopy
from typing import Any

from transformers import PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.loading import refuse_unbatched
from undertone.models.local import LocalModel


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
