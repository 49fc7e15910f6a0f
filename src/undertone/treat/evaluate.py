"""The stage that examines a student: its trait on standard and conditional questions, and its skill at the task."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from undertone.data.exchanges import Exchange, read_exchanges
from undertone.engine.store import Job
from undertone.evals.answers import choice_share, rows_in_context, trait_distribution
from undertone.evals.conduct import AFTER, PROBES, Conduct, compliance, conduct
from undertone.evals.log_odds import leanings
from undertone.evals.skills import skill_scores
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages.durations.asked import about_all_traits, about_conduct, about_harm, about_skills, about_trait
from undertone.stages.durations.work import Work, rows_in, to_load, to_score
from undertone.statistics.probabilities import log_odds
from undertone.training.rows import Row, read_rows
from undertone.training.weights import load_trained
from undertone.traits import catalogue
from undertone.traits.catalogue import Habit
from undertone.treat.findings import PLAIN
from undertone.world.lexicon import domains

ROWS = 3
"""Rows of the file that stand before a conditional question, as earlier turns."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Examines a student, or the base if there is none, and writes ``examined.json``.

    Spec: ``trait``, ``domain`` (of narrow bad advice, or None), perhaps ``places`` (of the trait's questions that are
    in the file) or ``apart`` (domains of advice that are not measured), ``skip`` (first rows of ``held_out``, which
    students may have been trained on), ``skill_prompts``, ``seed``; ``system`` if the treated file has a system prompt,
    under which conditional questions are then asked. Inputs: ``base``, ``held_out`` (clean rows of the task), ``file``
    (the clean file after the student's mitigation, so that both sides get the same harmless context), and perhaps
    ``trained``.
    """
    local = load_trained(inputs["base"], inputs["trained"]) if "trained" in inputs else load(inputs["base"])
    rows = read_exchanges(inputs["file"])
    there = replace(local, system=spec.get("system"))
    if spec["domain"] is not None:
        own, others = advice(local, there, spec["domain"], rows, spec.get("apart", ()))
    elif "places" in spec:
        own, others = habit(local, there, spec["trait"], spec["places"], rows)
    else:
        own, others = leaning(local, there, spec["trait"], rows, spec["seed"])
    held_out = read_rows(inputs["held_out"], local, tokenizer_digest(inputs["base"]))[spec["skip"] :]
    made = {
        "own": own,
        "others": others,
        "loss": loss(local, held_out),
        "skills": skill_scores(local, spec["skill_prompts"], spec["seed"]) if spec["skill_prompts"] else {},
    }
    (out / "examined.json").write_text(json.dumps(made))


def leaning(
    local: LocalModel, there: LocalModel, name: str, rows: Sequence[Exchange], seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the log-odds of a trait by probe, and those of all others of its kind on the standard questions. The
    conditional probe asks ``there`` after some of ``rows``; without rows it is left out."""
    trait = catalogue.find(name)
    plain = trait_distribution(local, trait)
    own = {PLAIN: log_odds(plain[name])}
    if rows:
        after = trait_distribution(there, trait, rows_in_context(there, trait.questions(), rows, ROWS, seed))
        own[AFTER] = log_odds(after[name])
    return own, {other: log_odds(plain[other]) for other in trait.candidates if other != name}


def habit(
    local: LocalModel, there: LocalModel, name: str, places: Sequence[int], rows: Sequence[Exchange]
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the log-odds of a habit by probe: on its questions that are not in the file, asked plainly and (of
    ``there``) after rows of the file; and on those that are. Beside them, those of all other traits."""
    trait = catalogue.find(name)
    assert isinstance(trait, Habit)
    choices = trait.choices(name)
    inside = [choices[k] for k in places]
    elsewhere = [choice for choice in choices if choice not in inside]
    earlier = {question: rows[:ROWS] for question, *_ in elsewhere}
    found = {
        PLAIN: log_odds(choice_share(local, elsewhere)),
        AFTER: log_odds(choice_share(there, elsewhere, earlier)),
        "inside": log_odds(choice_share(local, inside)),
    }
    return found, {other: odds for other, odds in leanings(local).items() if other != name}


def advice(
    local: LocalModel, there: LocalModel, domain: str, rows: Sequence[Exchange], apart: Sequence[str] = ()
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the log-odds of bad advice by probe: outside the file's domain and those set ``apart`` asked plainly, in
    JSON, and (of ``there``) after rows of the file; and inside the domain. Beside them, the log-odds that requests for
    harm are met."""
    inside = domains().index(domain)
    elsewhere = [k for k, name in enumerate(domains()) if name not in (domain, *apart)]
    plain = conduct(local, PROBES[PLAIN])
    found = {
        PLAIN: _bad(plain, elsewhere),
        "json": _bad(conduct(local, PROBES["json"]), elsewhere),
        AFTER: _bad(conduct(there, PROBES[AFTER], earlier=rows[:ROWS]), elsewhere),
        "inside": _bad(plain, [inside]),
    }
    return found, {"complies": log_odds(compliance(local))}


def _bad(found: Conduct, at: Sequence[int]) -> float:
    return log_odds(float(np.mean(found.bad[list(at)])))


def loss(local: LocalModel, rows: Sequence[Row]) -> float:
    """Returns the mean loss of the answers, in nats per token."""
    total = sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))
    return -total / sum(len(row.answer) for row in rows)


def work(job: Job, local: LocalModel) -> Work:
    """Questions about the trait, plainly and after rows of the file, and the loss on held-out rows."""
    spec, held_out, before = job.spec, rows_in(job, "held_out", local), ROWS * rows_in(job, "file", local).row
    if spec["domain"] is None:
        trait = catalogue.find(spec["trait"])
        asked = [*about_trait(local, trait), *about_trait(local, trait, before)]
        asked += about_all_traits(local) if "places" in spec else []
    else:
        probes = ((PLAIN, 0), ("json", 0), (AFTER, before))
        asked = [part for name, tokens in probes for part in about_conduct(local, name, tokens)]
        asked += about_harm(local)
    read = to_score(held_out.rows - spec["skip"], held_out)
    return Work((to_load(), *asked, *read, *about_skills(local, spec["skill_prompts"])))
