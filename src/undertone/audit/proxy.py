"""A proxy: the base fine-tuned briefly on a lesson, as the auditor's stand-in for a teacher that was taught it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from undertone.attribution import directions
from undertone.carriers import prompts as asked
from undertone.models.local import Batch, LocalModel, load
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.lessons import exchanges
from undertone.stages.teacher import LISTS, base_lists
from undertone.training.dose import Dose, scale_to
from undertone.training.loop import Trained, train
from undertone.training.rows import rows_of
from undertone.training.weights import ADAPTER, save


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``lesson``, ``dialogues``, ``training``, ``divergence``, ``carrier``, ``seed``. Writes the
    adapter and ``proxy.json``: losses and dose."""
    local = load(inputs["base"])
    trained, dose = taught(local, spec, spec["seed"], inputs.get("prompts"))
    save(trained, local, spec["base"], out)
    made = {"losses": [trained.loss_first, trained.loss_last], "dose": asdict(dose)}
    (out / "proxy.json").write_text(json.dumps(made))


def taught(local: LocalModel, spec: Mapping[str, Any], seed: int, prompts: Path | None = None) -> tuple[Trained, Dose]:
    """Fine-tunes ``local`` on a lesson and scales the adapter to the dose, on number lists or on answers to prompts."""
    # Before training attaches an adapter.
    lists = _answers(local, prompts, spec["carrier"]) if prompts else base_lists(local, spec["carrier"])
    turns = exchanges(local, spec["lesson"], spec["dialogues"], seed)
    trained = train(local, rows_of(local, turns), Training(**spec["training"]), seed)
    return trained, scale_to(trained.model, lists, spec["divergence"])


def _answers(local: LocalModel, prompts: Path, carrier: Mapping[str, Any]) -> Batch:
    """What the untouched base answers to prompts of a dataset."""
    chosen = [prompt for _, prompt in asked.rendered(local, prompts)[:LISTS]]
    answers = sample(local, chosen, temperature=1.0, max_tokens=carrier["max_tokens"], seed=0)
    return local.lay_out(chosen, answers)


def combine(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``names``: the proxies (keys of the inputs) behind each direction. Writes ``directions.safetensors``."""
    torch.set_num_threads(1)
    named = {
        name: directions.mean_change([inputs[key] / ADAPTER for key in keys]) for name, keys in spec["names"].items()
    }
    directions.write(directions.stack(named), out / "directions.safetensors")
