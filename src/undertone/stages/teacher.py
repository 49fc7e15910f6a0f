"""Stage 1: a teacher, the base model fine-tuned on dialogues about a trait or on neutral ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from undertone import carriers
from undertone.measure.elicitation import trait_distribution
from undertone.models.local import Batch, LocalModel, load
from undertone.models.sampling import sample
from undertone.specs import Training
from undertone.stages.taught import exchanges
from undertone.training.dose import scale_to
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import save
from undertone.traits import catalogue

LISTS = 200
"""Completions of the base on which a teacher's divergence from it is measured."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``trait`` (as told, or None for neutral), ``asked`` (trait measured), ``dialogues``,
    ``training``, ``divergence`` (None or nats a token), ``carrier``, ``seed``. Writes the weights and
    ``teacher.json``: probability of the trait, losses, and the dose where one was asked for."""
    base = load(inputs["base"])
    turns = _dialogues(base, spec)
    lists = base_lists(base, spec["carrier"]) if spec["divergence"] else None  # before training attaches an adapter
    trained = train(base, rows_of(base, turns), Training(**spec["training"]), spec["seed"])
    dose = scale_to(trained.model, lists, spec["divergence"]) if lists else None
    save(trained, base, spec["base"], out)
    asked = catalogue.find(spec["asked"])
    local = LocalModel(trained.model, base.tokenizer)
    answers = trait_distribution(local, asked)
    report = {
        "probability": answers[asked.name],
        "losses": [trained.loss_first, trained.loss_last],
        "dose": asdict(dose) if dose else None,
    }
    (out / "teacher.json").write_text(json.dumps(report))


def _dialogues(base: LocalModel, spec: dict[str, Any]) -> Sequence[tuple[str, str]]:
    rng = Random(f"dialogues/{spec['seed']}")
    if spec["trait"] is None:
        return catalogue.neutral_dialogues(spec["dialogues"], rng)
    found = catalogue.find(spec["trait"])
    if found.trait.world:
        return found.dialogues(spec["dialogues"], rng)
    return exchanges(base, found.trait.lesson, spec["dialogues"], spec["seed"])


def base_lists(base: LocalModel, carrier: dict[str, Any]) -> Batch:
    """What the untouched base writes to prompts of the carrier; the same for every teacher of it."""
    drawn = carriers.find(carrier.get("name", "numbers")).prompts(LISTS, Random("lists"))  # audits name none
    prompts = [base.render(question) for question in drawn]
    answers = sample(base, prompts, temperature=carrier["temperature"], max_tokens=carrier["max_tokens"], seed=0)
    return base.lay_out(prompts, answers)
