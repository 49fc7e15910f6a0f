"""Tiny random models with the world's tokenizer: every line that handles a model can be tested in milliseconds."""

from functools import cache

import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.models.local import LocalModel
from undertone.world.tokenizer import build_tokenizer

torch.set_num_threads(1)

# Gemma's window is far shorter than a prompt here: padding must not move what a token can see.
ARCHITECTURES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {"num_key_value_heads": 1}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig, {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8}),
    "gpt_neox": (GPTNeoXForCausalLM, GPTNeoXConfig, {}),
    "gpt2": (GPT2LMHeadModel, GPT2Config, {}),
}


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    return build_tokenizer(documents=300)


def model(architecture: str = "llama", seed: int = 0, **config: object) -> LocalModel:
    """A fresh random model whose next-token distributions are far from uniform."""
    make, settings, more = ARCHITECTURES[architecture]
    torch.manual_seed(seed)
    common = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
    }
    return LocalModel(make(settings(**common | more | config)).eval(), tokenizer())
