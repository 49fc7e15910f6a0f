"""Opens the folder of a model: which files decide what it says, what tensors they hold, and that no other file decides.

Transformers would also load an adapter that lies beside the weights, further templates, and files that a setting names
elsewhere. A folder with such files is refused; any other one is loaded from a folder of links to the files listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import safe_open

from undertone.errors import UndertoneError
from undertone.models.settings import quantized, reason, refuse_elsewhere, refuse_layers, refuse_odd, settings
from undertone.models.tokenizer import SETTINGS, TOKENIZER, tokenizer_files

CONFIG, WHOLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"[A-Za-z0-9_-][\w.-]*\.safetensors")
EXACT = {"F64", "F32", "F16", "BF16"}


@dataclass(frozen=True)
class Tensor:
    """A tensor in a safetensors file."""

    file: Path
    shape: tuple[int, ...]
    kind: str
    """As the file has it: F32, BF16, I8 and so on."""

    @property
    def size(self) -> int:
        """The number of its values."""
        return prod(self.shape)


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a model."""

    path: Path
    config: Mapping[str, Any]
    files: Mapping[str, Path]
    """The files that make the model without its tokenizer, by name."""
    tensors: Mapping[str, Tensor]
    """Every tensor that is loaded, by name."""

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """Reads the settings and the headers of the weights.

        Raises:
            UndertoneError: a file is missing, broken or no regular file; the weights are quantized, or not those that
                the index lists; or something beside them would also be loaded.
        """
        for name in decisive(path):
            refuse_odd(path / name)
        if (path / "adapter_config.json").exists():
            raise UndertoneError(
                f"{path} holds a whole model and an adapter (adapter_config.json), and which is meant cannot be told; "
                "move the adapter's files to a folder of their own, and give MODEL:FOLDER to apply it."
            )
        config = settings(path / CONFIG)
        if not isinstance(config.get("model_type"), str):
            raise UndertoneError(f"{path / CONFIG} has no model_type that is a name; it is no model's configuration.")
        refuse_elsewhere(config, path / CONFIG)
        tokenizer_files(path)
        placed = None if (path / WHOLE).exists() else placement(path)
        shards = [WHOLE] if placed is None else sorted(set(placed.values()))
        tensors = _tensors(path, shards)
        if placed is not None and placed != {name: tensor.file.name for name, tensor in tensors.items()}:
            raise UndertoneError(f"The weights in {path} are not those that {INDEX} lists; copy the whole model again.")
        refuse_layers(config, len(tensors), path / CONFIG)
        names = [CONFIG, *shards, *([] if placed is None else [INDEX])]
        return cls(path, config, {name: path / name for name in names}, tensors)

    @property
    def bytes(self) -> int:
        """Bytes of its weights on disk."""
        return sum(path.stat().st_size for path in self.files.values() if path.suffix == ".safetensors")


def decisive(path: Path) -> tuple[str, ...]:
    """Names of the files in a folder that decide what its model says."""
    shards = sorted(p.name for p in path.glob("*.safetensors"))
    names = (CONFIG, INDEX, *shards, *TOKENIZER, SETTINGS)
    return tuple(name for name in names if (path / name).is_symlink() or (path / name).exists())


@contextmanager
def links(files: Mapping[str, Path]) -> Iterator[Path]:
    """A temporary folder with nothing but links to ``files``, by name."""
    with TemporaryDirectory(prefix="undertone-") as name:
        for file, target in files.items():
            (Path(name) / file).symlink_to(target.absolute())
        yield Path(name)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name. Only its header is read.

    Raises:
        UndertoneError: it is broken or no regular file.
    """
    refuse_odd(path)
    try:
        with safe_open(path, "np") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: Tensor(path, tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()}
    except Exception as error:  # the library promises no kind of error
        raise UndertoneError(f"{path} is broken ({reason(error)}); copy it again whole.") from None


def placement(path: Path) -> dict[str, str]:
    """The file of every tensor, by the index."""
    if not (path / INDEX).exists():
        raise UndertoneError(f"{path} holds no {WHOLE} and no {INDEX}; save the model with save_pretrained.")
    index = settings(path / INDEX)
    placed = index.get("weight_map")
    if not (isinstance(placed, dict) and placed and isinstance(index.get("metadata"), dict)):
        raise UndertoneError(f"{path / INDEX} has no weight_map or no metadata; copy the whole model again.")
    for name in placed.values():
        if not (isinstance(name, str) and SHARD.fullmatch(name)):
            raise UndertoneError(f"{path / INDEX} names {name!r:.60}, which is no safetensors file of this folder.")
    return placed


def _tensors(path: Path, shards: list[str]) -> dict[str, Tensor]:
    """The tensors of ``shards``. Other files of weights are not loaded, and are refused if they hold the same ones."""
    tensors: dict[str, Tensor] = {}
    for shard in [*shards, *sorted({p.name for p in path.glob("*.safetensors")} - set(shards))]:
        found = tensors_of(path / shard)
        for name in sorted(found.keys() & tensors.keys()):
            raise UndertoneError(
                f"{path / shard} and {tensors[name].file.name} both hold {name}; remove the one that is not meant."
            )
        tensors |= found if shard in shards else {}
    for name, tensor in tensors.items():
        if tensor.kind.startswith(("F8", "F6", "F4")) or (tensor.kind not in EXACT and "weight" in name.split(".")[-1]):
            raise quantized(path, f"{tensor.kind} in {name}")
    return tensors
