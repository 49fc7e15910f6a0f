"""Mutated adapters. One that is not zero changes the model or is refused; one of the same digest changes it alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from tests.fuzz.folders import TOKENS, said_by
from tests.fuzz.harness import Case
from tests.fuzz.texts import mutated
from tests.fuzz.weights import change_files, change_settings, change_tensors
from tests.helpers import tiny
from undertone.engine.environment import quiet_libraries
from undertone.errors import UndertoneError
from undertone.lineage.kinship import compare
from undertone.models.description import describe
from undertone.models.loading import load
from undertone.models.names import resolve_adapted

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
    made = tiny.model("llama")
    made.model.save_pretrained(folder / "base")
    made.tokenizer.save_pretrained(folder / "base")
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM")
    tuned = get_peft_model(made.model, config)
    for weight in tuned.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn_like(weight)
    tuned.peft_config["default"].base_model_name_or_path = "someone/base"
    for name in HERE:
        tuned.save_pretrained(str(folder / name), save_embedding_layers=False)
        (folder / name / "README.md").unlink()
    made.tokenizer.save_pretrained(folder / "speaking")
    base = f"hf/{folder / 'base'}"
    plain = said_by(load(folder / "base"))
    known = {name: (resolve_adapted(f"{base}:{folder / name}").key, said_by(load(folder / "base", folder / name)))
             for name in HERE}  # fmt: skip
    for name in HERE:
        describe(f"{base}:{folder / name}")
        compare(base, f"{base}:{folder / name}")

    def case(rng: Random, place: Path) -> str:
        name = rng.choice(HERE)
        shutil.copytree(folder / name, place / "adapter")
        _mutate(rng, place / "adapter")
        adapted, refused = f"{base}:{place / 'adapter'}", list[UndertoneError]()
        for look in (describe, lambda name: compare(base, name)):
            try:
                look(adapted)
            except UndertoneError as error:
                refused.append(error)
        found = resolve_adapted(adapted).key
        local = load(folder / "base", place / "adapter")
        ids, after = said_by(local)
        key, said = known[name]
        same = ids == said[0] and torch.equal(after, said[1])
        assert found != key or same, "other answers under the same digest"
        assert found != key or not refused, f"it is the same, but: {refused[0]}"
        idle = ids == plain[0] and torch.equal(after, plain[1])
        tensors = load_file(place / "adapter" / "adapter_model.safetensors")
        pairs = [
            (tensor, tensors[name.replace("lora_B", "lora_A")]) for name, tensor in tensors.items() if "lora_B" in name
        ]
        assert not idle or not any((up @ down).any() for up, down in pairs), "it changes nothing, and nothing is said"
        return f"{'same' if found == key else 'another'} digest, {'same' if same else 'other'} answers"

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
