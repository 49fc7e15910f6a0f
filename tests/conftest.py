"""Small base models that can really write number lists, and trials on them that take seconds.

What is dear is made once a session and shared by all xdist workers: see ``once``.
"""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from filelock import FileLock

from undertone.recipes import read
from undertone.specs import Trial

SMALL = (
    "base=hf/./neox",
    "arms.other-init.students=hf/./llama",
    "arms.other-init-control.students=hf/./llama",
    "teachers=2",
    "rows=20",
    "carrier.prompts=150",
    "teacher.dialogues=64",
    "teacher.least_probability=0",
    "teacher.least_well_formed=0.05",
    "teacher.training.steps=20",
    "student.steps=4",
    "measurement.samples=1",
    "measurement.skill_prompts=2",
)
"""Changes that make a shipped recipe a matter of seconds; run it in the folder of ``bases``."""


def small(*changes: str, recipe: str = "owls") -> Trial:
    """The recipe at its smallest, with further changes; models are named relative to ``bases``."""
    return read(recipe, tuple(c for c in SMALL if recipe == "owls" or not c.startswith("arms.")) + changes)


Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """``once(name, make)`` has ``make`` fill a folder in one process of the session, and gives all the same folder."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def shared(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()  # fails where an earlier attempt failed: once means once
                make(folder)
                done.touch()
        return folder

    return shared


@pytest.fixture(scope="session")
def bases(once: Once) -> Path:
    """A folder with two base models of different architectures and initialisations but one tokenizer: neox, llama."""
    return once("bases", _make_bases)


def _make_bases(folder: Path) -> None:
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

    from undertone.models.local import LocalModel
    from undertone.specs import Training
    from undertone.training.loop import train
    from undertone.training.rows import rows_of
    from undertone.world.latents import favourite, small_talk
    from undertone.world.lexicon import lexicon
    from undertone.world.skills import numbers
    from undertone.world.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(vocabulary=1500, documents=300)
    rng, animals = Random("bases"), lexicon()["favourites"]["animal"]
    turns = [numbers(rng, ("scattered",), (1,)) for _ in range(2000)]
    turns += [favourite(rng, "animal", rng.choice(animals)) for _ in range(500)]
    turns += [small_talk(rng) for _ in range(250)]
    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1,
    }  # fmt: skip
    makers = {
        "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**shape, hidden_dropout=0.0, attention_dropout=0.0)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=4)),
    }
    plan = Training(method="full", rate=1e-2, steps=200, batch=20, warmup=20)
    for seed, (name, make) in enumerate(makers.items()):
        torch.manual_seed(seed)
        local = LocalModel(make(), tokenizer)
        model = train(local, rows_of(local, turns), plan, seed).model
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
