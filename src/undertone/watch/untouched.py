"""Measures a model in the middle of its training, and leaves no trace of that."""

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import Module


@contextmanager
def untouched(model: Module) -> Generator[None]:
    """Gives a block in which a model is in evaluation mode. At its end each module has its own mode again, and all
    random numbers go on as if nothing had happened. Weights, gradients and caches are for the block not to touch."""
    # Set one by one: a model's own train() and eval() may do more than change the mode.
    modes = [(module, module.training) for module in model.modules()]
    states = random.getstate(), np.random.get_state()
    devices = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            random.setstate(states[0])
            np.random.set_state(states[1])
