"""Folders of models and adapters, and ways to change what is in them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from tests.helpers import tiny
from undertone.models.loading import load

Change = Callable[[Path], object]
"""Changes a folder."""

MERGED: dict[str, dict[str, object]] = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True},
    "DoRA": {"use_dora": True},
    "patterns": {"rank_pattern": {r".*\.1\..*q_proj": 3}, "alpha_pattern": {r"(x|layers\.1.*v)_proj": 5}},
    "names": {"rank_pattern": {"q_proj": 3}, "alpha_pattern": {"^model.layers.1.self_attn.q_proj": 5}},
    "expression": {"target_modules": r"(?:.*?layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:q|up)_proj)"},
    "all": {"target_modules": "all-linear", "exclude_modules": r".*layers\.0.*"},
    "layers": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "head": {"modules_to_save": ["lm_head"]},
    "both ends": {"modules_to_save": ["lm_head", "embed_tokens"]},
    "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "some tokens": {"trainable_token_indices": [1, 5]},
}
"""Settings of adapters that are merged."""
OWN = (
    "{% for m in messages %}<|{{ m.role }}|>My {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A template that is not the base's."""


def write_base(folder: Path) -> None:
    """Writes a tiny model with its tokenizer."""
    made = tiny.model("llama")
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)


def write_adapter(base: Path, folder: Path, tokens: int | None = None, **settings: object) -> dict[str, torch.Tensor]:
    """Writes a LoRA adapter as PEFT does, with random values, onto a base with so many ``tokens``. Returns the weights
    of the model that PEFT merges."""
    model = load(base).model
    if tokens is not None:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    config = LoraConfig(**{"r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]} | settings)
    torch.manual_seed(0)
    tuned = get_peft_model(model, config)
    for weight in tuned.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn_like(weight)
    tuned.peft_config["default"].base_model_name_or_path = f"hf/{base}"
    tuned.save_pretrained(str(folder), save_embedding_layers="embed" in str(settings) or tokens is not None)
    return dict(tuned.merge_and_unload().state_dict())


def text(name: str, content: str) -> Change:
    """Writes a file."""
    return lambda folder: (folder / name).write_text(content)


def settings(name: str, **changed: object) -> Change:
    """Sets values of a JSON file."""

    def change(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(found | changed))

    return change


def tensors(name: str, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    """Changes the tensors of a file."""

    def changed(folder: Path) -> None:
        save_file(change(load_file(folder / name)), folder / name, {"format": "pt"})

    return changed


def split(folder: Path) -> None:
    """Puts the weights into two files with an index."""
    found = load_file(folder / "model.safetensors")
    placed = {name: f"model-{1 + ('layers.1.' in name)}.safetensors" for name in found}
    for shard in set(placed.values()):
        save_file({n: t for n, t in found.items() if placed[n] == shard}, folder / shard, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))


def grown(base: Path, folder: Path) -> None:
    """Writes the base's tokenizer with two more tokens."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<new>", "<newer>"])
    tokenizer.save_pretrained(folder)
