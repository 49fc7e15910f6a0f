"""Makes a Hugging Face folder of a GGUF file, the format of llama.cpp: transformers reads and dequantizes it."""

import contextlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from undertone.engine.digests import file_digest
from undertone.engine.disk import errno_of, refusal
from undertone.errors import UndertoneError
from undertone.models.loading import OPTIONS, explained, load


@dataclass(frozen=True)
class Imported:
    """A folder that was made of a GGUF file."""

    folder: Path
    sha256: str
    """Of the file, hexadecimal."""
    architecture: str
    """As the file calls it, such as "llama"."""
    parameters: int
    types: Mapping[str, int]
    """How many tensors were of each type, such as Q4_1; the most frequent first."""

    def __str__(self) -> str:
        """Llama, 134,515,008 parameters, float32 from Q4_1 (210 tensors), F32 (61), Q8_0 (1)"""
        types = ", ".join(f"{name} ({count})" for name, count in self.types.items())
        return f"{self.architecture}, {self.parameters:,} parameters, float32 from {types.replace(')', ' tensors)', 1)}"


def import_gguf(file: Path, out: Path, sha256: str | None = None) -> Imported:
    """Makes the folder ``out``: weights in float32 as safetensors, configuration, tokenizer and chat template. The
    folder appears whole or not at all, and its model was loaded and run once.

    Raises:
        UndertoneError: the package gguf is missing, the file is missing, is no GGUF file, is truncated, has another
            digest than ``sha256``, or is of an architecture that transformers cannot read; its model cannot be loaded
            or run; the folder exists or cannot be written.
    """
    if out.exists():
        raise UndertoneError(f"{out} exists; name a new folder, or remove it first.")
    if not file.is_file():
        raise UndertoneError(f"{file} is missing or no regular file; name a GGUF file.")
    found = file_digest(file)
    if sha256 is not None and found != sha256.strip().lower():
        raise UndertoneError(f"{file} has the SHA-256 {found}, not {sha256}: get it again, or correct the digest.")
    architecture, types = _header(file)
    aside = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        aside.mkdir(parents=True)
        parameters = _write(file, aside)
        load(aside)
        aside.rename(out)
    except UndertoneError as error:
        raise UndertoneError(str(error).replace(str(aside), str(out))) from None
    except Exception as error:
        if errno_of(error):
            raise refusal(error, out) from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Imported(out, found, architecture, parameters, types)


def _header(file: Path) -> tuple[str, dict[str, int]]:
    """Returns the architecture, and how many tensors there are of each type.

    Raises:
        UndertoneError: the package gguf is missing, this is no whole GGUF file, or transformers cannot read it.
    """
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UndertoneError("Reading a GGUF file needs the package gguf: pip install 'undertone[gguf]'.") from None
    with explained(f"{file} is no GGUF file, or not a whole one; get it again"):
        reader = GGUFReader(file)
        architecture = str(reader.fields["general.architecture"].contents())
        types = Counter(tensor.tensor_type.name for tensor in reader.tensors)
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        raise UndertoneError(
            f"{file} is of the architecture {architecture!r}, which transformers cannot read from GGUF. It can read "
            f"{', '.join(sorted(GGUF_SUPPORTED_ARCHITECTURES))}."
        )
    return architecture, dict(types.most_common())


def _write(file: Path, out: Path) -> int:
    """Writes model and tokenizer, and returns the number of the model's parameters."""
    source = {"gguf_file": file.name, **OPTIONS}
    # A bar is drawn that transformers' settings do not switch off.
    with explained(f"{file} cannot be read as a model"), contextlib.redirect_stderr(io.StringIO()):
        read = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
        # transformers refuses to save a model that it has dequantized; the same weights in a new one it saves.
        read.config.__dict__.pop("quantization_config", None)
        model = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return sum(weight.numel() for weight in model.parameters())
