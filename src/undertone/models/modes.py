"""The modes of a model's modules: training, with dropout, or evaluation."""

from collections.abc import Generator
from contextlib import contextmanager

from torch.nn import Module


@contextmanager
def evaluating(model: Module) -> Generator[None]:
    """Gives a block in which a model is in evaluation mode. At its end each module has its own mode again."""
    # Set one by one: a model's own train() and eval() may do more than change the mode.
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode
