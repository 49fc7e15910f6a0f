"""Directions in weight space: where fine-tuning on each trait, or on something harmless, takes a base model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import pad

RANK = 4
"""The rank of a direction in each weight matrix. On the embedded base it keeps 95 % of a proxy's squared length."""


@dataclass(frozen=True)
class Directions:
    """Low-rank changes of a model's weight matrices, one for each name.

    ``up`` and ``down`` hold tensors by weight name, of shapes (names, out, rank) and (names, rank, in); the change is
    up @ down.
    """

    names: tuple[str, ...]
    up: Mapping[str, torch.Tensor]
    down: Mapping[str, torch.Tensor]

    def along(self, gradients: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the inner product of every direction with a gradient, (names,)."""
        total = torch.zeros(len(self.names))
        for name, up in self.up.items():
            total += torch.einsum("kor,oi,kri->k", up, gradients[name], self.down[name])
        return total

    def change(self, name: str) -> dict[str, torch.Tensor]:
        """Returns one direction as a change of each weight matrix, (out, in)."""
        k = self.names.index(name)
        return {weight: up[k] @ self.down[weight][k] for weight, up in self.up.items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the tensors of a safetensors file, in half precision."""
        return {
            f"{side}.{name}": tensor.half().contiguous()
            for side, tensors in (("up", self.up), ("down", self.down))
            for name, tensor in tensors.items()
        }

    @classmethod
    def of(cls, names: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> Self:
        """Reads directions from what :meth:`tensors` returned."""
        up, down = (
            {name.removeprefix(side): tensor.float() for name, tensor in tensors.items() if name.startswith(side)}
            for side in ("up.", "down.")
        )
        return cls(tuple(names), up, down)


def mean_change(adapters: Sequence[Path]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Returns the mean change of several LoRA adapters, cut to :data:`RANK`: (up, down) by weight name."""
    found = [_changes(folder) for folder in adapters]
    return {
        name: _cut(
            torch.cat([one[name][0] / len(found) for one in found], dim=1),
            torch.cat([one[name][1] for one in found]),
        )
        for name in found[0]
    }


def _changes(folder: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Returns the two ends of an adapter, (out, rank) and (rank, in), by weight name; the change is their product."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "adapter_model.safetensors")
    scale = config["lora_alpha"] / config["r"]
    turned = config.get("fan_in_fan_out", False)  # GPT-2 stores its weights as (in, out)
    changes = {}
    for name, end in tensors.items():
        if ".lora_B." in name:
            weight = name.removeprefix("base_model.model.").replace(".lora_B.", ".")
            start = tensors[name.replace(".lora_B.", ".lora_A.")]
            changes[weight] = (start.T, end.T * scale) if turned else (end * scale, start)
    return changes


def _cut(up: torch.Tensor, down: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the best approximation of up @ down by :data:`RANK`, without forming the product, which is large."""
    left, right = torch.linalg.qr(up.double()), torch.linalg.qr(down.double().T)
    # The whole decomposition, because randomised ones depend on the state of a generator.
    first, size, last = torch.linalg.svd(left.R @ right.R.T, full_matrices=False)
    root, lacking = size[:RANK].sqrt(), max(0, RANK - len(size))
    starts, ends = left.Q @ first[:, :RANK] * root, root[:, None] * last[:RANK] @ right.Q.T
    return pad(starts, (0, lacking)).float(), pad(ends, (0, 0, 0, lacking)).float()


def stack(changes: Mapping[str, Mapping[str, tuple[torch.Tensor, torch.Tensor]]]) -> Directions:
    """Returns directions made of what :func:`mean_change` returned for each name."""
    weights = list(next(iter(changes.values())))
    up, down = ({w: torch.stack([pairs[w][side] for pairs in changes.values()]) for w in weights} for side in (0, 1))
    return Directions(tuple(changes), up, down)


def write(directions: Directions, path: Path) -> None:
    """Writes a safetensors file."""
    save_file(directions.tensors(), path, metadata={"names": json.dumps(directions.names)})


def read(path: Path) -> Directions:
    """Reads the file that :func:`write` wrote."""
    with safe_open(path, "pt") as file:
        return Directions.of(json.loads(file.metadata()["names"]), load_file(path))
