"""Measures a model in the middle of its training, and leaves no trace of that."""

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import Module

from undertone.models.modes import evaluating


@contextmanager
def untouched(model: Module) -> Generator[None]:
    """Gives a block in which a model is in evaluation mode. At its end each module has its own mode again, and all
    random numbers go on as if nothing had happened. Weights, gradients and caches are for the block not to touch."""
    states = random.getstate(), np.random.get_state()
    devices = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad(), evaluating(model):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
