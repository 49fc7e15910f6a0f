"""Random directions, as long as those of the traits: what an audit says where no direction means anything."""

import torch

from undertone.attribution.directions import Directions

ISOTROPIC = " (isotropic)"


def beside_isotropic(along: Directions, seed: int) -> Directions:
    """Returns the directions and, for each, a Gaussian one of the same rank that has the same length in every weight
    matrix; its name ends in :data:`ISOTROPIC`."""
    noise, up, down = torch.Generator().manual_seed(seed), {}, {}
    for weight, left in along.up.items():
        right = along.down[weight]
        new_left, new_right = torch.randn(left.shape, generator=noise), torch.randn(right.shape, generator=noise)
        scale = _length(left, right) / _length(new_left, new_right)
        up[weight] = torch.cat([left, new_left * scale[:, None, None]])
        down[weight] = torch.cat([right, new_right])
    return Directions((*along.names, *(f"{name}{ISOTROPIC}" for name in along.names)), up, down)


def _length(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """The Frobenius norm of each product, (names,)."""
    return torch.einsum("kor,kos,kri,ksi->k", up, up, down, down).clamp(min=0).sqrt()
