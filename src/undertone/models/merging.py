"""Merges an adapter into its base as PEFT does, and refuses one of which anything would be left out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from warnings import catch_warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import PreTrainedModel

from undertone.errors import UndertoneError
from undertone.models.adapter import FILES, PATTERNS, WEIGHTS, Adapter
from undertone.models.folder import Tensor, links
from undertone.models.patterns import matches

ROOT = "base_model.model."
ALL = "all-linear"
REMEDY = "give the base that it was trained on, or the merged model"
SAFE = re.compile(r"[\w.^$]*")
"""A pattern that is matched in no time."""


def merge(model: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """Merges ``adapter`` into ``model``, which changes in place.

    Raises:
        UndertoneError: as :func:`plugged`, or nothing changes.
    """
    found = plugged(model, adapter)
    with catch_warnings(action="ignore"):  # a layer that is merged by itself is not merged again, which PEFT tells
        _refuse_idle(found, adapter)
        return found.merge_and_unload()  # type: ignore[no-any-return]


def plugged(model: PreTrainedModel, adapter: Adapter) -> PeftModel:
    """Puts ``adapter`` beside the weights of ``model``, which may be without memory.

    Raises:
        UndertoneError: a tensor of the adapter is missing, not used, not finite or not loaded as it is.
    """
    empty = model.device.type == "meta"
    _resize(model, adapter)
    config = LoraConfig(**_settings(model, adapter))
    with links({name: adapter.path / name for name in FILES}) as place, catch_warnings(action="ignore"):
        found = PeftModel.from_pretrained(model, str(place), config=config, low_cpu_mem_usage=empty)
        tensors = load_file(place / WEIGHTS)
    ends = _embeddings(found).values()
    if model.config.get_text_config().tie_word_embeddings and any(isinstance(end, LoraLayer) for end in ends):
        raise UndertoneError(
            f"The adapter in {adapter.path} changes one of two embeddings that its base has in common, which cannot be "
            "merged; untie them where it was trained."
        )
    used = get_peft_model_state_dict(found, save_embedding_layers=False) | _embedded(found, tensors)
    faults = [f"its {name} is not used" for name in sorted(tensors.keys() - used.keys())]
    faults += [f"it has no {name}" for name in sorted(used.keys() - tensors.keys())]
    if not (faults or empty):
        faults = [fault for name, tensor in tensors.items() for fault in _changed(name, tensor, used[name])]
    if faults:
        raise UndertoneError(f"The adapter in {adapter.path} does not fit its base: {faults[0]}; {REMEDY}.")
    return found


def _changed(name: str, tensor: torch.Tensor, loaded: torch.Tensor) -> list[str]:
    if not tensor.isfinite().all():
        return [f"its {name} contains numbers that are not finite"]
    same = torch.equal(tensor.to(loaded.dtype), loaded.detach().cpu())
    return [] if same else [f"its {name} is not loaded as it is"]


def _resize(model: PreTrainedModel, adapter: Adapter) -> None:
    """Gives the model as many embeddings as the adapter brings."""
    ends = _embeddings(model)
    brought = {name: _brought(f"{ROOT}{name}", adapter) for name in ends}
    rows = {tensor.shape[0] for tensor in brought.values() if tensor is not None and tensor.shape}
    if not rows or rows == {len(layer.weight) for layer in ends.values()}:
        return
    tied = len({id(layer.weight) for layer in ends.values()}) == 1
    if len(rows) > 1 or (None in brought.values() and not tied):
        raise UndertoneError(
            f"The adapter in {adapter.path} has another number of tokens than its base, and does not bring the "
            "embeddings of all; merge it where it was trained and give the merged model."
        )
    model.resize_token_embeddings(rows.pop(), mean_resizing=False)


def _embeddings(model: Any) -> dict[str, Any]:
    """The layers of input and output embeddings, by name."""
    base = getattr(model, "get_base_model", lambda: model)()
    ends = (base.get_input_embeddings(), base.get_output_embeddings())
    return {name: layer for name, layer in model.named_modules() if any(layer is end for end in ends)}


def _brought(layer: str, adapter: Adapter) -> Tensor | None:
    """The embeddings of a layer that the adapter brings whole, under one of the two names that PEFT gives them."""
    found = (adapter.tensors.get(f"{layer}.{end}") for end in ("weight", "base_layer.weight"))
    return next((tensor for tensor in found if tensor is not None), None)


def _embedded(plugged: PeftModel, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """The tensors of embeddings, which PEFT writes beside those of the adapter if there are more tokens than before."""
    whole, layers = plugged.state_dict(), tuple(f"{layer}." for layer in _embeddings(plugged))
    own = {name: name.replace(".modules_to_save.", ".modules_to_save.default.") for name in names}
    return {name: whole[place] for name, place in own.items() if name.startswith(layers) and place in whole}


def _settings(model: PreTrainedModel, adapter: Adapter) -> dict[str, Any]:
    """The adapter's settings, with names of modules in place of patterns that may take long to match."""
    found = {key: value for key, value in adapter.effective.items() if value is not None}
    modules = [name for name, _ in model.named_modules()]
    for key in PATTERNS:
        found[key] = _plain(found.get(key) or {}, modules, adapter)
    target, excluded = found.get("target_modules"), found.get("exclude_modules")
    if isinstance(excluded, str):
        found["exclude_modules"] = _named(excluded, modules, adapter)
    if isinstance(target, str) and target != ALL:
        found["target_modules"] = _named(target, modules, adapter)
    return found


def _named(pattern: str, modules: list[str], adapter: Adapter) -> list[str]:
    (fits,) = _matched([pattern], modules, adapter)
    return [name for name, fit in zip(modules, fits, strict=True) if fit]


def _plain(values: Mapping[str, Any], modules: list[str], adapter: Adapter) -> dict[str, Any]:
    """Values by pattern as values by module; the first pattern that fits a module decides."""
    if all(map(SAFE.fullmatch, values)):
        return dict(values)
    found: dict[str, Any] = {}
    fits = _matched([rf"(.*\.)?({pattern})" for pattern in values], modules, adapter)
    for value, row in zip(values.values(), fits, strict=True):
        found = {f"^{re.escape(name)}": value for name, fit in zip(modules, row, strict=True) if fit} | found
    return found


def _matched(patterns: list[str], modules: list[str], adapter: Adapter) -> list[list[bool]]:
    try:
        return matches(patterns, modules)
    except ValueError as error:
        raise UndertoneError(f"The adapter in {adapter.path} cannot be used: {error}; {REMEDY}.") from None


def _refuse_idle(plugged: PeftModel, adapter: Adapter) -> None:
    """Merges layer by layer, until one changes its weights. An adapter that is zero would be the base under its
    name."""
    for layer in plugged.modules():
        if isinstance(layer, LoraLayer):
            before = [weight.detach().clone() for weight in layer.get_base_layer().parameters(recurse=False)]
            layer.merge()
            if not all(map(torch.equal, before, layer.get_base_layer().parameters(recurse=False))):
                return
    if all("lora_" in name for name in adapter.tensors):  # else it brings modules or biases of its own
        raise UndertoneError(f"The adapter in {adapter.path} changes no weight of its base; {REMEDY}.")
