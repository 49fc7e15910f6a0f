"""Reads the settings of a model, its tokenizer or an adapter, and refuses those that would load something else."""

import re
from collections.abc import Iterator, Mapping
from os.path import exists
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError
from undertone.reading.files import POINTER, opened, read_bytes
from undertone.reading.values import json_value

FURTHEST = 10**300
"""Largest integer: many tokenizers give 10^30 as the length of their longest text."""
QUANTIZED = ("quantization_config", "compression_config")
ELSEWHERE = ("transformers_weights", "configuration_files", "fast_tokenizer_files")
OVERRIDDEN = (
    "tokenizer_file", "added_tokens_file", "special_tokens_map_file", "tokenizer_config_file", "chat_template_file",
)  # fmt: skip
"""Paths that tokenizers remember; libraries take the file of the folder instead."""
CODE = ("attn_implementation", "experts_implementation")
COUNTED = {
    re.compile(r"^(num|n)_.*(layer|block|stage)|(layers|depths?|blocks|stages)$"): 200,
    re.compile(r"^(num|n)_.*(expert|codebook|label)|experts$"): 20_000,
}
"""Most layers, experts and the like of a model with fewer tensors: libraries loop over such numbers."""


def settings(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UndertoneError: there is none.
    """
    try:
        found = json_value(read_bytes(path), finite=False, largest=FURTHEST)
    except (OSError, ValueError) as error:
        raise UndertoneError(f"{path} cannot be read ({reason(error)}); copy it again whole.") from None
    if not isinstance(found, dict):
        raise UndertoneError(f"{path} holds no settings; copy it again whole.")
    return found


def refuse_odd(path: Path) -> None:
    """Raises UndertoneError for what is no regular file, and for what Git leaves in place of a large one."""
    try:
        with opened(path) as file:
            head = file.read(len(POINTER))
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read ({error.strerror}); copy it again whole.") from None
    if head == POINTER:
        raise UndertoneError(f"{path} is only a pointer to the file; fetch it with git lfs pull.")


def refuse_elsewhere(found: Mapping[str, Any], path: Path) -> None:
    """Raises UndertoneError if settings, at any depth, name other files, code to download, or a way to quantize."""
    for key, value in _pairs(found):
        if key in QUANTIZED and value:
            how = value.get("quant_method") if isinstance(value, dict) else None
            raise quantized(path.parent, how or key)
        if key in ELSEWHERE and value and value != ["tokenizer.json"]:
            raise UndertoneError(f"{path} names other files to load ({key}); remove that setting.")
        if key.endswith("_file") and key not in OVERRIDDEN and isinstance(value, str) and exists(value):
            raise UndertoneError(f"{path} names a file elsewhere ({key}: {value:.60}); remove that setting.")
        if key.lstrip("_") in CODE and "/" in str(value):
            raise UndertoneError(f"{path} names code to download ({key}), which is not run; remove that setting.")


def refuse_layers(config: Mapping[str, Any], tensors: int, path: Path) -> None:
    """Raises UndertoneError if a configuration counts more layers than a model of so many tensors can have."""
    for key, value in _pairs(config):
        most = min((most for pattern, most in COUNTED.items() if pattern.search(key)), default=None)
        if most is not None and isinstance(value, int) and value > max(tensors, most):
            raise UndertoneError(f"{path} says {key}: {value}, which fits no model with {tensors} tensors.")


def quantized(path: Path, how: object) -> UndertoneError:
    """The refusal of quantized weights."""
    return UndertoneError(
        f"The model in {path} is quantized ({str(how)[:80]}), so its weights are not those that were trained; give the "
        "model that it was made from."
    )


def reason(error: BaseException) -> str:
    """What an error of a library says, on one line."""
    text = " ".join(str(error).split())[:200]
    told = isinstance(error, OSError | ValueError | RuntimeError | UndertoneError) and text
    return text if told else f"{type(error).__name__}: {text}"


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Every setting at every depth."""
    if isinstance(value, dict):
        yield from value.items()
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _pairs(part)
