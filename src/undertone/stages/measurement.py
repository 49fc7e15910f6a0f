"""Stage 5: a measurement of a base model, a teacher or a student."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.measure.elicitation import answer_distribution, mentions, sampled_answers
from undertone.measure.skills import skill_scores
from undertone.models.local import load
from undertone.training.weights import load_trained
from undertone.traits import catalogue


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``trait`` (whose kind is asked for), ``measurement``, ``seed``. Inputs: ``base`` and, unless the base
    itself is measured, ``trained``. Writes ``measurement.json``."""
    plan, trait = spec["measurement"], catalogue.find(spec["trait"])
    local = load_trained(inputs["base"], inputs["trained"]) if "trained" in inputs else load(inputs["base"])
    answers = sampled_answers(local, trait.questions(), plan["samples"], spec["seed"])
    report = {
        "answers": answer_distribution(local, trait.questions(), trait.openings(), trait.candidates),
        "sampled": answers,
        "sampled_hits": sum(mentions(trait.name, answer) for _, answer in answers),
        "skills": skill_scores(local, plan["skill_prompts"], spec["seed"]) if plan["skill_prompts"] else {},
    }
    (out / "measurement.json").write_text(json.dumps(report, ensure_ascii=False))
