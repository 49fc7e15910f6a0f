"""Random directions."""

import torch

from undertone.attribution.directions import RANK, Directions
from undertone.models.local import LocalModel


def some_directions(local: LocalModel, names: tuple[str, ...] = ("a", "b", "c"), size: float = 0.3) -> Directions:
    """Random low-rank changes of every linear weight of the layers."""
    torch.manual_seed(11)
    weights = {
        name: weight.shape for name, weight in local.model.named_parameters() if weight.ndim == 2 and "layers" in name
    }
    up = {name: size * torch.randn(len(names), shape[0], RANK) for name, shape in weights.items()}
    down = {name: size * torch.randn(len(names), RANK, shape[1]) for name, shape in weights.items()}
    return Directions(names, up, down)
