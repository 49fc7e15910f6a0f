"""Reads the weights of a model on disk, one piece at a time. No model is loaded whole or run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from undertone.engine.digests import digest, folder_digest
from undertone.errors import UndertoneError
from undertone.models.names import stored

Singles = NDArray[np.float32]
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


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
        return {name: tuple(shape) for name, (_, shape) in self._places.items()}

    @cached_property
    def _places(self) -> dict[str, tuple[Path, list[int]]]:
        places = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            with safe_open(shard, "pt") as file:
                places.update({name: (shard, file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
        return places

    def read(self, name: str, rows: slice, columns: slice) -> Singles:
        """Returns a part of a matrix as float32, with the adapter's change.

        Raises:
            UndertoneError: a number is not finite.
        """
        with safe_open(self._places[name][0], "pt") as file:
            part: torch.Tensor = file.get_slice(name)[rows, columns].float()
        if self._lora is not None:
            part = part + self._lora.change(name, rows, columns)
        if not torch.isfinite(part).all():
            raise UndertoneError(f"The model {self.name} is broken: {name} contains numbers that are not finite.")
        return np.asarray(part.numpy(), dtype=np.float32)

    @cached_property
    def _lora(self) -> Lora | None:
        return Lora.read(self.adapter) if self.adapter is not None else None


@dataclass(frozen=True)
class Lora:
    """A LoRA adapter's changes to matrices."""

    path: Path
    config: dict[str, Any]
    names: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> Lora:
        """Reads the adapter in a PEFT folder.

        Raises:
            UndertoneError: the adapter cannot be read, or is not a plain LoRA.
        """
        try:
            config = json.loads((folder / ADAPTER[0]).read_text(encoding="utf-8"))
            with safe_open(folder / ADAPTER[1], "pt") as file:
                names = frozenset(file.keys())
        except (OSError, ValueError, SafetensorError) as error:
            raise UndertoneError(f"The adapter in {folder} cannot be read ({error}).") from None
        odd = [key for key in ("use_dora", "alpha_pattern", "rank_pattern", "fan_in_fan_out") if config.get(key)]
        if config.get("peft_type") != "LORA" or odd:
            what = odd[0] if odd else config.get("peft_type")
            raise UndertoneError(
                f"The adapter in {folder} is not a plain LoRA ({what}): merge it and give the merged folder."
            )
        return cls(folder / ADAPTER[1], config, names)

    def change(self, name: str, rows: slice, columns: slice) -> torch.Tensor | float:
        """Returns the change of a part of a matrix: scale x B A (Hu et al. 2021, arXiv:2106.09685), or 0.0."""
        stem = f"base_model.model.{name.removesuffix('.weight')}.lora_"
        if f"{stem}A.weight" not in self.names:
            return 0.0
        with safe_open(self.path, "pt") as file:
            down = file.get_slice(f"{stem}A.weight")[:, columns].float()
            up = file.get_slice(f"{stem}B.weight")[rows, :].float()
        rank = self.config["r"]
        scale = self.config["lora_alpha"] / (rank**0.5 if self.config.get("use_rslora") else rank)
        return torch.as_tensor(scale * (up @ down))


def find(name: str) -> Weights:
    """Finds weights by name: ``builtin/...``, ``hf/./path``, or ``base:adapter`` with the adapter's folder.

    Raises:
        UndertoneError: there are none, or they cannot be read.
    """
    base, colon, adapter = name.rpartition(":")
    if not colon:
        folder = stored(name)
        return Weights(name, folder.key, folder.path)
    folder, path = stored(base), Path(adapter).expanduser()
    if not path.is_dir():
        raise UndertoneError(f"{path} is not the folder of an adapter: give BASE:FOLDER, or a model alone.")
    return Weights(name, digest([folder.key, folder_digest(path, ADAPTER)]), folder.path, path)
