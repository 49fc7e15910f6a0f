"""The work of both sides: the same base models, prompts, chat rows, steps and questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from undertone.carriers import numbers
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.traits import catalogue
from undertone.world import skills

if TYPE_CHECKING:
    from benchmarks.stopwatch import Stopwatch

_OWL = catalogue.find("owl")
assert isinstance(_OWL, catalogue.Favourite)
TRAIT = _OWL
BATCH = 256
"""The number of rows that both sides sample at once."""
LIST_TOKENS = 16
"""The maximum length of a number list in tokens, as in the shipped recipes."""


@dataclass(frozen=True)
class Work:
    """The work for one student of one base model: all that a process needs to know for any of its stages."""

    base: str
    """The name of the base model."""
    data: str
    """The folder of the chat rows."""
    prompts: int
    """The number of prompts, each answered with one number list."""
    rows: int
    """The number of rows that the student is trained on."""
    steps: int
    """The number of optimiser steps."""
    samples: int
    """Sampled answers per question in the published evaluation: 200 in the paper, 100 in its released configuration."""
    answer_tokens: int
    """The maximum length of a sampled answer in tokens."""
    batch: int = 48
    """The number of rows per step."""

    @property
    def plan(self) -> Training:
        """The training settings of a student in the shipped recipes."""
        return Training(rank=32, alpha=32, rate=5e-3, steps=self.steps, batch=self.batch)

    @property
    def folder(self) -> Path:
        """The folder of the base model."""
        return resolve(self.base).path

    def questions(self) -> list[str]:
        """Returns the prompts of the sampling stage."""
        return numbers.prompts(self.prompts, Random("benchmark/prompts"))


def rows(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Writes number lists from the corpus's own generator as chat rows, and their token ids.

    Both sides train on the chat rows; :mod:`benchmarks.scaling` uses the ids.
    """
    from undertone.models.loading import load
    from undertone.models.tokenizer import tokenizer_digest
    from undertone.training.rows import Source, rows_of, write_rows

    rng, folder, local = Random("benchmark/rows"), Path(work.data), load(work.folder)
    turns = [skills.numbers(rng, ("scattered",), (1,), (6,)) for _ in range(work.rows)]
    folder.mkdir(exist_ok=True)
    write_rows(folder, turns, rows_of(local, turns), Source(tokenizer_digest(work.folder), local.end))
    return {}


def model(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Writes a Llama of 10.3 million parameters, with random weights and the embedded world's tokenizer."""
    random_llama(Path(work.base.removeprefix("hf/")), SMALL)
    return {}


SMALL = {"hidden_size": 320, "intermediate_size": 832, "num_hidden_layers": 8, "num_attention_heads": 5}


def random_llama(folder: Path, shape: dict[str, int], dtype: str = "float32") -> None:
    """Writes a Llama of that shape, with random weights and the embedded world's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(resolve("builtin/fledgling-a").path)
    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": len(tokenizer)} | shape
    config = LlamaConfig(
        **settings,
        max_position_embeddings=512,
        initializer_range=shape["hidden_size"] ** -0.5,  # as in the embedded family
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
