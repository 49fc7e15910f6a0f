"""The blocks of a model, and what they put out: a hidden state for every token. Blocks are counted from 0; the output
of one is what the next reads, before any last normalisation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from undertone.errors import UndertoneError


def blocks(model: PreTrainedModel) -> torch.nn.ModuleList:
    """Returns the blocks of a model in order, whatever its architecture calls them.

    Raises:
        UndertoneError: no list of modules has as many as the configuration counts layers.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise UndertoneError(
        f"The blocks of a {type(model).__name__} cannot be found: no list in it has {count} modules, the number of "
        "layers that its config.json gives."
    )


def middle(model: PreTrainedModel) -> int:
    """Returns the number of the middle block, of the first of two."""
    return (len(blocks(model)) - 1) // 2


def hooked(model: PreTrainedModel, number: int, change: Callable[[torch.Tensor], torch.Tensor]) -> RemovableHandle:
    """Has a block put out ``change`` of what it would put out, (rows, tokens, hidden), until the handle is removed."""

    def hook(_: torch.nn.Module, __: Any, out: Any) -> Any:
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    return blocks(model)[number].register_forward_hook(hook)


@contextmanager
def changed(model: PreTrainedModel, change: Callable[[int, torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Has every block put out ``change`` of its number and of what it would put out, while the context is open."""
    handles = [hooked(model, number, partial(change, number)) for number in range(len(blocks(model)))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
