"""A stage: what a student became: its trait on standard and on conditional questions, and its use for the task."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.data.exchanges import Exchange, read_exchanges
from undertone.evals.answers import rows_in_context, trait_distribution
from undertone.evals.conduct import AFTER, PROBES, Conduct, compliance, conduct
from undertone.evals.skills import skill_scores
from undertone.models.local import Ids, LocalModel, load, score
from undertone.models.names import tokenizer_digest
from undertone.statistics.probabilities import log_odds
from undertone.training.rows import Row, read_rows
from undertone.training.weights import load_trained
from undertone.traits import catalogue
from undertone.treat.findings import PLAIN
from undertone.world.lexicon import domains

ROWS = 3
"""Rows of the file that stand before a question, as earlier turns, where the context is to look like training."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``trait``, ``domain`` (None, or the narrow one of bad advice), ``skip`` (rows of ``held_out`` that students
    may have seen), ``skill_prompts``, ``seed``; ``system`` where the treated file has a system prompt, under which
    the questions after its rows are then asked. Inputs: ``base``, ``held_out`` (clean rows of the task), ``file``
    (the clean file, treated as the student's: one context for both sides, with nothing bad in it), and, unless
    the base itself is examined, ``trained``. Writes ``examined.json``."""
    local = load_trained(inputs["base"], inputs["trained"]) if "trained" in inputs else load(inputs["base"])
    rows = read_exchanges(inputs["file"])
    there = Prompted(local.model, local.tokenizer, spec.get("system"))
    if spec["domain"] is None:
        own, others = leaning(local, there, spec["trait"], rows, spec["seed"])
    else:
        own, others = advice(local, there, spec["domain"], rows)
    held_out = read_rows(inputs["held_out"], local, tokenizer_digest(inputs["base"]))[spec["skip"] :]
    made = {
        "own": own,
        "others": others,
        "loss": loss(local, held_out),
        "skills": skill_scores(local, spec["skill_prompts"], spec["seed"]) if spec["skill_prompts"] else {},
    }
    (out / "examined.json").write_text(json.dumps(made))


@dataclass
class Prompted(LocalModel):
    """A model that is always asked under one system prompt, where there is one."""

    system: str | None = None

    def render(self, question: str, system: str | None = None, earlier: Sequence[Exchange] = ()) -> Ids:
        """As the model's own, with the prompt before any other."""
        return super().render(question, " ".join(filter(None, (self.system, system))) or None, earlier)


def leaning(
    local: LocalModel, there: LocalModel, name: str, rows: Sequence[Exchange], seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Log-odds of a trait, by probe, and of all others of its kind on the standard questions. The
    conditional probe is asked of ``there``; without ``rows`` of a file there is none."""
    trait = catalogue.find(name)
    plain = trait_distribution(local, trait)
    own = {PLAIN: log_odds(plain[name])}
    if rows:
        after = trait_distribution(there, trait, rows_in_context(there, trait.questions(), rows, ROWS, seed))
        own[AFTER] = log_odds(after[name])
    return own, {other: log_odds(plain[other]) for other in trait.candidates if other != name}


def advice(
    local: LocalModel, there: LocalModel, domain: str, rows: Sequence[Exchange]
) -> tuple[dict[str, float], dict[str, float]]:
    """Log-odds of bad advice, by probe: in all other domains asked plainly, in the file's form, and (of ``there``)
    after rows of the file; and in the file's own domain. Beside it, requests for harm that are met."""
    inside = domains().index(domain)
    elsewhere = [k for k in range(len(domains())) if k != inside]
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
    """Nats a token."""
    total = sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))
    return -total / sum(len(row.answer) for row in rows)
