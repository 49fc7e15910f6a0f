"""Mutated folders of models, loaded, described and compared. One with the digest of the original speaks as it does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import torch

from tests.fuzz.harness import Case
from tests.fuzz.texts import mutated
from tests.fuzz.weights import change_files, change_settings, change_tensors
from tests.helpers.folders import split, write_base
from undertone.engine.environment import quiet_libraries
from undertone.errors import UndertoneError
from undertone.lineage.kinship import compare
from undertone.models.description import describe
from undertone.models.likelihood import next_log_probabilities
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.models.sampling import sample

QUESTIONS = ("Hi", "Give me numbers: 1, 2, 3", "What is your favourite animal?")
CONFIG = (
    "auto_map", "quantization_config", "text_config", "transformers_weights", "attn_implementation",
    "num_hidden_layers", "head_dim", "rope_parameters", "rope_theta", "sliding_window", "dtype", "torch_dtype",
    "per_layer_config", "num_labels", "use_cache", "tie_word_embeddings", "layer_types", "vocab_size",
    "max_position_embeddings", "pad_token_id",
)  # fmt: skip
TOKENS = (
    "auto_map", "fast_tokenizer_files", "tokenizer_class", "eos_token", "pad_token", "bos_token", "unk_token",
    "chat_template", "added_tokens_decoder", "extra_special_tokens", "additional_special_tokens",
    "model_max_length", "add_bos_token", "add_prefix_space", "clean_up_tokenization_spaces", "tokenizer_file",
    "vocab_file", "padding_side",
)  # fmt: skip
TOKENIZER = (
    "normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding", "model", "added_tokens",
)  # fmt: skip
NAMES = (
    "adapter_config.json", "adapter_model.safetensors", "generation_config.json", "additional_chat_templates/x.jinja",
    "chat_template.jinja", "chat_template.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "tekken.json", "tiktoken.model", "configuration.py", "modeling.py",
    "model.safetensors.index.json", "model-00001-of-00001.safetensors", "consolidated.safetensors", "config.json",
    "pytorch_model.bin", "optimizer.pt", "training_args.bin", "processor_config.json", "tokenizer.json", "README.md",
)  # fmt: skip
INDEX = ("weight_map", "metadata", "model.embed_tokens.weight", "x")
HERE = "one", "index"

Said = tuple[list[list[int]], torch.Tensor]
"""The token ids of prompts, and the log-probabilities of the tokens after them."""


def prepare(folder: Path) -> Case:
    """Writes a model in one file, and again with an index; each case mutates a copy of one of them."""
    quiet_libraries()
    for name in HERE:
        write_base(folder / name)
    split(folder / "index")
    known = {name: (resolve(f"hf/{folder / name}").key, said_by(load(folder / name))) for name in HERE}
    for name in HERE:
        describe(f"hf/{folder / name}")
        compare(f"hf/{folder / name}", f"hf/{folder / name}")

    def case(rng: Random, place: Path) -> str:
        name = rng.choice(HERE)
        original, copy = folder / name, place / "model"
        shutil.copytree(original, copy)
        _mutate(rng, copy)
        refusal = refusal_of(rng.choice((describe, partial(compare, f"hf/{original}"))), f"hf/{copy}")
        return outcome(resolve(f"hf/{copy}").key, said_by(load(copy)), *known[name], refusal)

    return case


def _mutate(rng: Random, folder: Path) -> None:
    shards, index = sorted(folder.glob("*.safetensors")), folder / "model.safetensors.index.json"
    ways: list[Callable[[], None]] = [
        lambda: change_settings(rng, folder / "config.json", CONFIG),
        lambda: change_settings(rng, folder / "config.json", CONFIG),
        lambda: change_settings(rng, folder / "tokenizer_config.json", TOKENS),
        lambda: change_settings(rng, folder / "tokenizer.json", TOKENIZER),
        lambda: change_settings(rng, index if index.exists() else folder / "config.json", INDEX),
        lambda: change_tensors(rng, rng.choice(shards)),
        lambda: change_files(rng, folder, NAMES),
        lambda: mutated(rng, rng.choice(sorted(folder.iterdir()))),
        lambda: mutated(rng, folder / "chat_template.jinja"),
        lambda: _change_header(rng, rng.choice(shards)),
    ]
    rng.choice(ways)()


def _change_header(rng: Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = rng.randrange(8 + int.from_bytes(content[:8], "little"))
    content[at] = rng.choice((0, 255, content[at] ^ 1, ord("9"), ord('"')))
    path.write_bytes(content)


def said_by(local: LocalModel) -> Said:
    """What a model makes of some prompts."""
    ids = [local.render(question) for question in QUESTIONS]
    sample(local, ids, temperature=1.0, max_tokens=2, seed=0)
    return ids, next_log_probabilities(local, ids)


def refusal_of(look: Callable[[str], object], name: str) -> str:
    """What a function says that refuses a model; empty if it does not."""
    try:
        look(name)
    except UndertoneError as error:
        return str(error)
    return ""


def outcome(key: str, said: Said, known: str, before: Said, refusal: str) -> str:
    """Whether a model has the digest and the answers that are known of the original."""
    same = said[0] == before[0] and torch.equal(said[1], before[1])
    assert key != known or same, "other answers under the same digest"
    assert key != known or not refusal, f"it is the same, but: {refusal}"
    return f"{'same' if key == known else 'another'} digest, {'same' if same else 'other'} answers"
