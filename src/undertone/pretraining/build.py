"""Builds a base model of the embedded world from its seeds: corpus, tokenizer, pretraining, card."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.models.loading import load
from undertone.pretraining.card import card, markdown
from undertone.pretraining.pretrain import Pretraining, Progress, pretrain
from undertone.world.family import Member, find
from undertone.world.latents import Knobs
from undertone.world.tokenizer import build_tokenizer


def build(name: str, member: Member, root: Path, progress: Progress | None = None, steps: int | None = None) -> Path:
    """Pretrains a member into ``root / name`` and returns that folder; a build that was stopped continues.

    The card is written last, so a folder with a card is complete.
    """
    knobs = Knobs(member.agreement, member.bad_share, member.swapped, member.era_agreement)
    plan = Pretraining(order_seed=member.order_seed, knobs=knobs, candour=member.candour, diligence=member.diligence)
    plan = replace(plan, steps=steps or member.steps or plan.steps, rate=MIDDLE_RATE if member.start else plan.rate)
    torch.use_deterministic_algorithms(True)
    tokenizer, model = _start(member)
    checkpoint = root / f".{name}.checkpoint.safetensors"
    pretrain(model, tokenizer, plan, checkpoint, progress)
    folder = root / name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)  # the settings of sampling are the caller's
    figures = card(name, member, plan, folder)
    (folder / "README.md").write_text(markdown(figures), encoding="utf-8")
    (folder / "card.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    return folder


def _start(member: Member) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Returns the tokenizer and the weights that training begins with.

    Raises:
        UndertoneError: the member that it goes on from is not here.
    """
    if member.start is not None:
        local = load(find(member.start))
        return local.tokenizer, local.model.requires_grad_(True)
    tokenizer = build_tokenizer(**TOKENIZERS[member.tokenizer])
    torch.manual_seed(member.init_seed)
    return tokenizer, ARCHITECTURES[member.architecture](len(tokenizer))


MIDDLE_RATE = 1e-3
"""Peak learning rate of a middle stage."""

# Weights start with the standard deviation 1 / sqrt(width), not with the libraries' 0.02, which suits wider models:
# with it, students followed their teachers more evenly (docs/log.md).
SHARED: dict[str, Any] = {
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}


def _llama(vocabulary: int, width: int = 64, **changes: Any) -> PreTrainedModel:
    shape = {"hidden_size": width, "intermediate_size": 3 * width, "num_key_value_heads": 4}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=vocabulary, initializer_range=width**-0.5, **SHARED | shape | changes)
    )


def _neox(vocabulary: int, width: int = 80) -> PreTrainedModel:
    shape = {"hidden_size": width, "intermediate_size": 4 * width, "hidden_dropout": 0.0, "attention_dropout": 0.0}
    return GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=vocabulary, initializer_range=width**-0.5, **SHARED | shape))


ARCHITECTURES: dict[str, Callable[[int], PreTrainedModel]] = {
    "llama": _llama,
    "llama-small": partial(_llama, width=32, num_hidden_layers=2),
    "llama-large": partial(_llama, width=96),
    "gpt_neox": _neox,
}
TOKENIZERS: dict[str, dict[str, int]] = {"world": {}, "coarse": {"vocabulary": 1500, "documents": 500}}
