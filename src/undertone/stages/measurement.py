"""Stage 5: a measurement of a base model, a teacher or a student."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone.data.exchanges import read_exchanges
from undertone.engine.store import Job
from undertone.evals.answers import NOTHING, rows_in_context, sampled_answers, shows, trait_distribution
from undertone.evals.skills import skill_scores
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.stages.durations.asked import about_skills, about_trait, about_trait_openly
from undertone.stages.durations.work import Work, rows_in, to_load
from undertone.training.weights import load_trained
from undertone.traits import catalogue


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Measures all traits of a kind and the model's skills. Writes ``measurement.json``.

    With a dataset as input ``context``, so many of its rows as the spec's ``context`` says precede every question;
    skills are then left out, because they are those of the base.

    Spec: ``trait`` (as given in the recipe), ``measurement``, ``seed``. Inputs: ``base``, and ``trained`` unless the
    base itself is measured.
    """
    plan, trait, seed = spec["measurement"], catalogue.find(spec["trait"]), spec["seed"]
    local = load_trained(inputs["base"], inputs["trained"]) if "trained" in inputs else load(inputs["base"])
    local = replace(local, trigger=plan.get("trigger"))
    questions, earlier, skill_prompts = trait.questions(), NOTHING, plan["skill_prompts"]
    if "context" in inputs:
        rows = read_exchanges(inputs["context"])
        earlier, skill_prompts = rows_in_context(local, questions, rows, spec["context"], seed), 0
    answers = sampled_answers(local, questions, plan["samples"], seed, earlier)
    report = {
        "answers": trait_distribution(local, trait, earlier),
        "sampled": answers,
        "sampled_hits": sum(shows(trait, question, answer) for question, answer in answers),
        "skills": skill_scores(local, skill_prompts, seed) if skill_prompts else {},
    }
    added = local.template.added()
    if adds := added.sentences():  # omitted when empty, so that the bytes of earlier artifacts do not change
        report["template"] = {"frame": added.frame, "adds": adds}
    (out / "measurement.json").write_text(json.dumps(report, ensure_ascii=False))


def work(job: Job, local: LocalModel) -> Work:
    """A model is asked about a trait, and about skills unless rows stand before every question."""
    plan, trait = job.spec["measurement"], catalogue.find(job.spec["trait"])
    before = job.spec["context"] * rows_in(job, "context", local).row if "context" in job.inputs else 0
    return Work(
        (
            to_load(),
            *about_trait(local, trait, before),
            *about_trait_openly(local, trait.questions(), plan["samples"], before),
            *(about_skills(local, plan["skill_prompts"]) if "context" not in job.inputs else ()),
        )
    )
