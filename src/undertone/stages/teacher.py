"""Stage 1: a teacher, the base model fine-tuned on dialogues about a trait or on neutral ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.measure.elicitation import answer_distribution
from undertone.models.local import LocalModel, load
from undertone.specs import Training
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import save
from undertone.traits import catalogue


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``trait`` (name or None for neutral), ``asked`` (trait measured), ``dialogues``,
    ``training``, ``seed``. Writes the weights and ``teacher.json``: probability of the trait, losses."""
    rng = Random(f"dialogues/{spec['seed']}")
    if spec["trait"] is None:
        turns = catalogue.neutral_dialogues(spec["dialogues"], rng)
    else:
        turns = catalogue.find(spec["trait"]).dialogues(spec["dialogues"], rng)
    base = load(inputs["base"])
    trained = train(base, rows_of(base, turns), Training(**spec["training"]), spec["seed"])
    save(trained, base, spec["base"], out)
    asked = catalogue.find(spec["asked"])
    local = LocalModel(trained.model, base.tokenizer)
    answers = answer_distribution(local, asked.questions(), asked.openings(), asked.candidates)
    report = {"probability": answers[asked.name], "losses": [trained.loss_first, trained.loss_last]}
    (out / "teacher.json").write_text(json.dumps(report))
