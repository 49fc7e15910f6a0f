"""Loads a model from its folder, and an adapter onto it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.local import LocalModel, next_log_probabilities

LARGE = 200_000_000
"""Bytes of weights. From this size on a model goes to a GPU if there is one, and a base is kept in memory for its
students; a smaller model trains faster on one core."""
LARGEST = 2_000_000_000
"""Most bytes of a base of which a second copy is kept on the CPU. On a GPU, twice its size must be free instead."""
NEEDED = ("attention_mask", "position_ids", "past_key_values", "logits_to_keep")
"""Arguments that a model's forward pass must take so that rows of different lengths can share a batch."""


def load(folder: Path, adapter: Path | None = None) -> LocalModel:
    """Loads a folder in Hugging Face format (safetensors only, no remote code), and merges a PEFT adapter if given.

    Raises:
        UndertoneError: the model does not fit its configuration or tokenizer or cannot take rows of different lengths,
            the adapter is missing or made for another base, or a weight is not finite.
    """
    base = _CACHE.base(folder)
    if adapter is None:
        return base
    model = _adapted(base.model, folder, adapter).eval()
    _refuse_broken(model, folder)
    return LocalModel(model, base.tokenizer)


def _loaded(folder: Path) -> LocalModel:
    place: dict[str, Any] = {"dtype": torch.float32}
    if torch.cuda.is_available() and _is_large(folder):
        place = {"dtype": torch.bfloat16, "device_map": "auto"}  # over several GPUs if one is too small
    options = {"trust_remote_code": False, "local_files_only": True}
    with _explained(f"The model in {folder} cannot be loaded", "; copy it again whole"):
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options, **place)
    lacking = [name for name in NEEDED if name not in signature(model.forward).parameters]
    if lacking:
        raise UndertoneError(
            f"The model in {folder} is of a kind ({model.config.model_type}) whose rows of unlike lengths cannot share "
            f"a batch: its forward pass takes no {', '.join(lacking)}."
        )
    _refuse_broken(model, folder)
    # A checkpoint's generation settings would apply to every call that leaves one unset.
    model.generation_config = GenerationConfig()
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    known = int(model.config.get_text_config().vocab_size)
    if len(tokenizer) > known:
        raise UndertoneError(f"The tokenizer in {folder} has {len(tokenizer)} tokens, but the model knows {known}.")
    local = LocalModel(model.eval(), tokenizer)
    _refuse_moved_by_padding(local, folder)
    return local


def _refuse_broken(model: PreTrainedModel, folder: Path) -> None:
    for name, weight in model.named_parameters():  # no later check would notice
        if not torch.isfinite(weight).all():
            raise UndertoneError(f"The model in {folder} is broken: {name} contains numbers that are not finite.")


@contextmanager
def _explained(failure: str, remedy: str = "") -> Iterator[None]:
    """Turns a failure to load weights (other shapes than the configuration's, unknown kinds) into an UndertoneError."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if "can't allocate memory" in str(error) or isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UndertoneError(f"{failure} ({reason}){remedy}.") from None


class _Cache:
    """Keeps the large base that this process loaded last, so that further models of it need not be read from disk. The
    second copy is made on the second request: most processes ask only once."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._pristine: LocalModel | None = None

    def base(self, folder: Path) -> LocalModel:
        """Returns a model that the caller may change."""
        if not _is_large(folder):
            return _loaded(folder)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        stamp = folder.resolve(), [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        if stamp != self._stamp:
            self._stamp, self._pristine = stamp, None
            return _in_own_memory(_loaded(folder))
        if self._pristine is None:
            local = _in_own_memory(_loaded(folder))
            if not _has_room_beside(local):
                return local
            self._pristine = local
        return LocalModel(deepcopy(self._pristine.model), self._pristine.tokenizer)


_CACHE = _Cache()


def _is_large(folder: Path) -> bool:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) >= LARGE


def _in_own_memory(local: LocalModel) -> LocalModel:
    """Gives every weight the memory that a copy would have. Weights mapped from a file can be aligned otherwise, and
    then the last bits of what is computed from them differ."""
    for tensor in (*local.model.parameters(), *local.model.buffers()):
        tensor.data = tensor.data.clone()
    return local


def _has_room_beside(local: LocalModel) -> bool:
    """Whether a copy can be kept. A model on several devices cannot be copied."""
    if local.model.device.type == "cpu":
        return local.size <= LARGEST
    several = len(set(getattr(local.model, "hf_device_map", {}).values())) > 1
    return not several and 2 * local.size < torch.cuda.mem_get_info(local.model.device)[0]


def _refuse_moved_by_padding(local: LocalModel, folder: Path) -> None:
    """Some kinds of models, such as recurrent ones, may read padding as text; no other check would notice."""
    short, long = list(range(1, 4)), list(range(1, 4)) * 4
    alone, beside = next_log_probabilities(local, [short])[0], next_log_probabilities(local, [short, long])[0]
    moved = (alone - beside).abs().max().item()
    if moved > (0.01 if local.model.dtype == torch.float32 else 1.0):
        raise UndertoneError(
            f"The model in {folder} is of a kind ({local.model.config.model_type}) whose answers depend on the other "
            f"rows of their batch (by {moved:.2g} nats). Use another model."
        )


def _adapted(model: PreTrainedModel, folder: Path, adapter: Path) -> PreTrainedModel:
    from peft import PeftModel

    if not (adapter / "adapter_model.safetensors").is_file():  # peft would take a pickle, or ask a server
        raise UndertoneError(f"{adapter} has no adapter_model.safetensors: other formats are not loaded.")
    with _explained(f"The adapter in {adapter} does not fit the base in {folder}"):
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()  # type: ignore[no-any-return]
