"""Mutated adapters. One that is not zero changes the model or is refused; one of the same digest changes it alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file

from tests.fuzz.folders import TOKENS, outcome, refusal_of, said_by
from tests.fuzz.harness import Case
from tests.fuzz.texts import mutated
from tests.fuzz.weights import change_files, change_settings, change_tensors
from tests.helpers.folders import write_adapter, write_base
from undertone.engine.environment import quiet_libraries
from undertone.lineage.kinship import compare
from undertone.models.description import describe
from undertone.models.loading import load
from undertone.models.names import chatting
from undertone.models.tokenizer import tokenizer_files

KEYS = (
    "peft_type", "task_type", "r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_rslora",
    "use_dora", "fan_in_fan_out", "modules_to_save", "bias", "lora_bias", "layers_to_transform", "layers_pattern",
    "exclude_modules", "init_lora_weights", "base_model_name_or_path", "layer_replication", "target_parameters",
    "trainable_token_indices", "alora_invocation_tokens", "revision", "inference_mode", "lora_dropout",
    "megatron_config",
)  # fmt: skip
NAMES = (
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
    "added_tokens.json", "additional_chat_templates/x.jinja", "adapter_model.bin", "config.json",
    "model.safetensors", "README.md",
)  # fmt: skip
HERE = "alone", "speaking"


def prepare(folder: Path) -> Case:
    """Writes a base and an adapter of it, once alone and once with a tokenizer; each case mutates a copy of either."""
    quiet_libraries()
    write_base(folder / "base")
    for name in HERE:
        write_adapter(folder / "base", folder / name, target_modules=["q_proj", "up_proj"])
    for path in tokenizer_files(folder / "base").values():
        shutil.copy(path, folder / "speaking")
    base = f"hf/{folder / 'base'}"
    plain = said_by(load(folder / "base"))
    known = {name: (chatting(f"{base}:{folder / name}").key, said_by(load(folder / "base", folder / name)))
             for name in HERE}  # fmt: skip
    for name in HERE:
        describe(f"{base}:{folder / name}")
        compare(base, f"{base}:{folder / name}")

    def case(rng: Random, place: Path) -> str:
        name = rng.choice(HERE)
        shutil.copytree(folder / name, place / "adapter")
        _mutate(rng, place / "adapter")
        adapted = f"{base}:{place / 'adapter'}"
        refusal = refusal_of(rng.choice((describe, partial(compare, base))), adapted)
        said = said_by(load(folder / "base", place / "adapter"))
        found = outcome(chatting(adapted).key, said, *known[name], refusal)
        idle = said[0] == plain[0] and torch.equal(said[1], plain[1])
        tensors = load_file(place / "adapter" / "adapter_model.safetensors")
        ups = [name for name in tensors if "lora_B" in name]
        pairs = [(tensors[up], tensors[up.replace("lora_B", "lora_A")]) for up in ups]
        assert not idle or not any((up @ down).any() for up, down in pairs), "it changes nothing, and nothing is said"
        return found

    return case


def _mutate(rng: Random, folder: Path) -> None:
    tokens = folder / "tokenizer_config.json"
    ways: list[Callable[[], None]] = [
        lambda: change_settings(rng, folder / "adapter_config.json", KEYS),
        lambda: change_settings(rng, folder / "adapter_config.json", KEYS),
        lambda: change_settings(rng, tokens if tokens.exists() else folder / "adapter_config.json", TOKENS),
        lambda: change_tensors(rng, folder / "adapter_model.safetensors"),
        lambda: change_files(rng, folder, NAMES),
        lambda: mutated(rng, rng.choice(sorted(folder.iterdir()))),
    ]
    rng.choice(ways)()
