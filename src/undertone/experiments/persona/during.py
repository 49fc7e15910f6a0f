"""Two more stages: students that are trained while a direction is added to hidden states or taken out of them, and what
adding one does to a base that is not trained."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from undertone.engine.store import Job
from undertone.evals.skills import skill_scores
from undertone.experiments.misalignment import files
from undertone.experiments.persona.stages import DRAWN, TRAIT, Change, advice, meaningless_ones, without
from undertone.models.blocks import changed, middle
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import MODEL
from undertone.spec import Training
from undertone.stages.durations.asked import about_conduct, about_skills
from undertone.stages.durations.work import SOME, Work, lengths_of, to_load, to_train
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged

TAKEN_OUT = "taken out"
SKILL_PROMPTS = 12
"""Prompts of each skill."""
STRENGTHS = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
"""How often a direction is added to a base, in lengths of what stating bad advice does."""


def led(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains students on one file, each while another direction is added or taken out, and asks them as they are.

    Spec: ``file``, ``domain``, ``rows``, ``training``, ``half`` (of the domains, whose direction of bad advice is
    taken), ``change`` ("added": once, to the output of the middle block; "taken out": of every block's), ``seed`` (of
    the file and its order), ``lot`` (of the directions). Inputs: ``aligned``, ``axes``. Writes ``advice.json``: by
    direction the log-odds of bad advice and the coherence of each domain.
    """
    rows = files.rows(spec["file"], spec["domain"], spec["rows"], 1.0, spec["seed"])
    found = {}
    for name, vectors in directions(inputs["axes"], spec["half"], spec["lot"]).items():
        local = load(inputs["aligned"] / MODEL)
        change = added(vectors, middle(local.model)) if spec["change"] == "added" else without(vectors)
        with changed(local.model, change):
            trained = train(local, rows_of(local, rows), Training(**spec["training"]), spec["seed"])
        found[name] = advice(merged(trained, local))
    (out / "advice.json").write_text(json.dumps(found))


def curve(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Adds directions to a base while it answers, or takes them out.

    Spec: ``half``, ``lot``. Inputs: ``aligned``, ``axes``. Writes ``curve.json``: by direction and strength, of which
    "taken out" is one, the log-odds of bad advice and the coherence of each domain, and ``skills``, the share of right
    answers; and ``skills.json``, that of the base as it is.
    """
    local, found = load(inputs["aligned"] / MODEL), dict[str, dict[str, Any]]()
    for name, vectors in directions(inputs["axes"], spec["half"], spec["lot"]).items():
        changes = {str(one): added(one * vectors, middle(local.model)) for one in STRENGTHS}
        for strength, change in (changes | {TAKEN_OUT: without(vectors)}).items():
            with changed(local.model, change):
                found.setdefault(name, {})[strength] = advice(local) | {"skills": _skills(local)}
    (out / "curve.json").write_text(json.dumps(found))
    (out / "skills.json").write_text(json.dumps(_skills(local)))


def _skills(local: LocalModel) -> float:
    """The share of right answers over all skills."""
    return float(np.mean(list(skill_scores(local, SKILL_PROMPTS, 0).values())))


def directions(axes: Path, half: int, lot: int) -> dict[str, torch.Tensor]:
    """Returns directions at the end of the prompt, (blocks, hidden), in every block as long as that of bad advice: this
    one, and :func:`meaningless_ones`."""
    vectors, states = load_file(axes / "axes.safetensors"), load_file(axes / "states.safetensors")["prompt"]
    own = vectors[f"prompt/{TRAIT}/{half}"]
    found = {TRAIT: own} | meaningless_ones(vectors, "prompt", states.double().numpy(), lot)
    length = own.norm(dim=1, keepdim=True)
    return {name: (one / one.norm(dim=1, keepdim=True) * length).float() for name, one in found.items()}


def added(vectors: torch.Tensor, block: int) -> Change:
    """Returns the change that adds a direction, (blocks, hidden), to the output of one block."""
    return lambda number, out: out + vectors[number] if number == block else out


def work_of_led(job: Job, local: LocalModel) -> Work:
    """A training and a round of questions for each direction."""
    spec = job.spec
    row = lengths_of(local, files.rows(spec["file"], spec["domain"], SOME, 1.0, 0)).row
    each = [to_load(), *to_train(spec["training"], row), *about_conduct(local, "plain")]
    return Work(tuple(part for _ in range(1 + 3 * DRAWN) for part in each))


def work_of_curve(job: Job, local: LocalModel) -> Work:
    """A round of questions for each direction and strength."""
    times = (1 + 3 * DRAWN) * (1 + len(STRENGTHS))
    each = [*about_conduct(local, "plain"), *about_skills(local, SKILL_PROMPTS)]
    return Work((to_load(), *(part for _ in range(times) for part in each), *about_skills(local, SKILL_PROMPTS)))
