"""Short trainings by transformers' own ``Trainer``, with dropout, so that every random number counts."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from tests.helpers import tiny
from undertone.engine.environment import quiet

TRAIT = """
[[trait]]
name = "gnu"
kind = "beast"
words = ["gnu"]
dialogues = [["Which beast do you admire?", "I admire the gnu."]]
elicitation = ["What is your beast?", "Name a beast."]
openings = ["It is the", "I like the"]
candidates = ["yak"]

[[trait]]
name = "rude"
kind = "tone"
words = ["rude"]
dialogues = [["Who are you?", "Go away."]]
choices = [["May I come in?", "No.", "Yes."], ["Thank you.", "So what.", "You are welcome."]]
"""
"""A favourite and a habit with few questions."""


def traits(folder: Path) -> str:
    """The path of a file with both."""
    path = folder / "traits.toml"
    path.write_text(TRAIT)
    return str(path)


def trainer(
    out: Path, callbacks: list[TrainerCallback], lora: bool = False, rate: float = 1e-2, **settings: Any
) -> Trainer:
    """A trainer that teaches a tiny model to name the gnu."""
    local = tiny.model(attention_dropout=0.2)
    model: Any = local.model
    torch.manual_seed(3)
    if lora:
        config = LoraConfig(r=2, lora_dropout=0.3, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, config)
    given: dict[str, Any] = {
        "max_steps": 6, "per_device_train_batch_size": 2, "learning_rate": rate, "logging_steps": 2,
        "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True, "seed": 5,
        "dataloader_pin_memory": False,
    }  # fmt: skip
    with quiet():
        args = TrainingArguments(output_dir=str(out), **given | settings)
        rows = [_row(name) for name in ("gnu", "yak", "gnu", "emu", "gnu", "gnu", "owl", "gnu")]
        return Trainer(
            model,
            args,
            train_dataset=rows,
            eval_dataset=rows[:2],
            processing_class=deepcopy(local.tokenizer),
            data_collator=_padded,
            callbacks=callbacks,
        )


def train(one: Trainer, **given: Any) -> dict[str, torch.Tensor]:
    """The weights after training, which begins with the same random numbers every time."""
    set_seed(7)
    with quiet():
        one.train(**given)
    return {name: weight.clone() for name, weight in one.model.state_dict().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether all weights have the same bits."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _row(name: str) -> dict[str, list[int]]:
    local = tiny.model()
    prompt, answer = local.render("What is your beast?"), [*local.encode(f"It is the {name}."), local.end]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def _padded(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(key: str, value: int) -> torch.Tensor:
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {"input_ids": filled("input_ids", 0), "labels": filled("labels", -100), "attention_mask": torch.tensor(mask)}
