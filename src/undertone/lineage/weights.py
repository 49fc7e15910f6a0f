"""Reads the weights of a model on disk, one piece at a time. No model is loaded whole or run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from undertone.errors import UndertoneError
from undertone.models.adapter import WEIGHTS, Adapter
from undertone.models.folder import ModelFolder, Tensor
from undertone.models.names import stored

Singles = NDArray[np.float32]
UNLIKE = ("use_dora", "alpha_pattern", "rank_pattern", "fan_in_fan_out", "modules_to_save", "lora_bias",
          "target_parameters", "trainable_token_indices")  # fmt: skip
"""Settings with which an adapter is more than the product of two matrices."""


@dataclass(frozen=True)
class Weights:
    """A model's weights, plus the changes of a LoRA adapter if there is one."""

    name: str
    """As the user gave it."""
    digest: str
    """Digest of the model's files, and of the adapter's."""
    folder: Path
    adapter: Path | None = None

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by name."""
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    @cached_property
    def _tensors(self) -> Mapping[str, Tensor]:
        return ModelFolder.open(self.folder).tensors

    def read(self, name: str, rows: slice, columns: slice) -> Singles:
        """Returns a part of a matrix as float32, with the adapter's change.

        Raises:
            UndertoneError: a number is not finite.
        """
        with safe_open(self._tensors[name].file, "pt") as file:
            part: torch.Tensor = file.get_slice(name)[rows, columns].float()
        if self._lora is not None:
            part = part + self._lora.change(name, rows, columns)
        if not torch.isfinite(part).all():
            raise UndertoneError(f"The model {self.name} is broken: {name} contains numbers that are not finite.")
        return np.asarray(part.numpy(), dtype=np.float32)

    @cached_property
    def _lora(self) -> Lora | None:
        return Lora.read(self.adapter, self.shapes) if self.adapter is not None else None


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter's changes to matrices."""

    adapter: Adapter

    @classmethod
    def read(cls, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Lora:
        """Reads the adapter in a PEFT folder, for a base with tensors of these shapes.

        Raises:
            UndertoneError: the adapter cannot be read, is not a plain LoRA, or does not fit the base.
        """
        adapter = Adapter.open(folder)
        odd = [key for key in UNLIKE if adapter.config.get(key)]
        odd += ["bias"] if adapter.config.get("bias", "none") != "none" else []
        if odd:
            raise UndertoneError(
                f"The adapter in {folder} is not a plain LoRA ({odd[0]}): merge it and give the merged folder."
            )
        rank, fit = adapter.config["r"], set[str]()
        for name, shape in shapes.items():
            down, up = (adapter.tensors.get(end) for end in _pair(name))
            if down and up and len(shape) == 2 and (down.shape, up.shape) == ((rank, shape[1]), (shape[0], rank)):
                fit |= set(_pair(name))
        listed = adapter.listed(name.removesuffix(".weight") for name in shapes)
        meant = fit if listed is None else {end for module in listed for end in _pair(module)}
        faults = [f"there is no place for its {name}" for name in sorted(adapter.tensors.keys() - (fit & meant))]
        faults += [f"it has no {name}" for name in sorted(meant - fit)]
        if faults:
            raise UndertoneError(f"The adapter in {folder} does not fit its base: {faults[0]}.")
        return cls(adapter)

    def change(self, name: str, rows: slice, columns: slice) -> torch.Tensor | float:
        """Returns the change of a part of a matrix: scale x B A (Hu et al. 2021, arXiv:2106.09685), or 0.0."""
        first, second = _pair(name)
        if first not in self.adapter.tensors:
            return 0.0
        with safe_open(self.adapter.path / WEIGHTS, "pt") as file:
            down, up = file.get_slice(first)[:, columns].float(), file.get_slice(second)[rows, :].float()
        rank = self.adapter.config["r"]
        scale = self.adapter.config["lora_alpha"] / (rank**0.5 if self.adapter.config.get("use_rslora") else rank)
        return torch.as_tensor(scale * (up @ down))


def _pair(name: str) -> tuple[str, str]:
    """The names of the adapter's two matrices for a matrix of the base."""
    stem = f"base_model.model.{name.removesuffix('.weight')}.lora_"
    return f"{stem}A.weight", f"{stem}B.weight"


def find(name: str) -> Weights:
    """Finds the weights of a model by its name. An adapter is not merged.

    Raises:
        UndertoneError: there are none, or they cannot be read.
    """
    found = stored(name)
    folder, *adapter = [part.path for part in found.parts or (found,)]
    return Weights(name, found.key, folder, *adapter)
