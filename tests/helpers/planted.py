"""A benchmark of the audit on files whose scores are planted."""

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from undertone.attribution.scores import Evidence
from undertone.audit.families import Family, families_of
from undertone.audit.proxies import TWIN
from undertone.audit.verdict import Scored
from undertone.bench.audit import gather
from undertone.bench.audit.files import File
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.isotropic import ISOTROPIC
from undertone.bench.audit.judge import Judge
from undertone.bench.audit.plan import Plan
from undertone.bench.audit.scoring import ScoredFile
from undertone.bench.audit.spec import AuditBenchmark
from undertone.engine.store import Job
from undertone.models.names import resolve
from undertone.stages import OUTCOME, SCORES, SPECIMEN
from undertone.traits.lessons import TRAITS


@cache
def families() -> tuple[Family, ...]:
    return families_of(resolve("builtin/fledgling-a").path)


def names() -> tuple[str, ...]:
    every = [name for family in families() for name in family.names]
    return (*every, *(f"{name}{TWIN}" for name in every))


def some_scores(seed: int, carried: str | None = None, size: float = 0.35) -> ScoredFile:
    """A file of 400 units of 50 tokens. Twins share most of what their trait shows; a teacher adds to both. By chance
    one file in twenty has an alarm; of the first ten seeds none."""
    rng, every = np.random.default_rng(100 + seed), names()
    half, tokens = len(every) // 2, np.full(400, 50.0)
    own, rest = rng.standard_normal((2, 400, half)) * np.sqrt(50)
    rates = np.zeros(2 * half)
    if carried:
        rates[[every.index(carried), every.index(f"{carried}{TWIN}")]] = size
    sums = np.hstack([own, 0.8 * own + 0.6 * rest]) + rates * tokens[:, None]
    random = rng.standard_normal((400, 2 * half)) * np.sqrt(50)
    evidence = Evidence(np.hstack([sums, random]), tokens, 0 * tokens)
    labels = (*every, *(f"{name}{ISOTROPIC}" for name in every))
    units = (frozenset[str](),) * 400, np.ones(400, dtype=bool)
    return ScoredFile(Scored(evidence, labels, *units), frozenset(), 2000)


def a_file(i: int, kind: str, group: Any, trait: str | None = None, hidden: str | None = None) -> File:
    made, share = Job(SPECIMEN, {"i": i}), 1.0 if trait else None
    return File(kind, group, trait, hidden, share, made, Job(SCORES, {"i": i}), Job(OUTCOME, {"i": i}))


JUDGE = Judge(families(), 0.05, 1.0)


FILES = [
    *(a_file(i, "as the proxies", "carriers", trait) for i, trait in enumerate(("owl", "red", "oak"))),
    a_file(3, "weak", "carriers", "sycophancy"),
    *(a_file(4 + i, "lesson at dose 0.05", "harmless fine-tunes") for i in range(3)),
    *(a_file(7 + i, "prices", "no model") for i in range(3)),
]


def gathered(some: Sequence[File], **settings: Any) -> AuditBenchmarkFindings:
    """Files of which four carry a trait and one of these is missed, an alarm in a harmless one, and students who move
    by .5 to what their file carries, or is said to carry, and by .1 to anything else."""
    carried = {0: "owl", 1: "red", 3: "sycophancy", 9: "wolf"}
    moved = {0: "owl", 1: "red", 2: "oak", 3: "sycophancy", 9: "wolf"}

    def shift_of(store: Any, job: Job) -> dict[str, float]:
        return {trait: 0.5 if moved.get(job.spec["i"]) == trait else 0.1 for trait in TRAITS}

    made: Any = SimpleNamespace(store=None, head=lambda: head(baselines=True, **settings))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gather, "read_scores", lambda _, job: some_scores(job.spec["i"], carried.get(job.spec["i"])))
        patched.setattr(gather, "stretch_of", lambda _, file: 2.0 if file.trait else None)
        patched.setattr(gather, "shift_of", shift_of)
        return gather.gather(AuditBenchmark(baselines=True), Plan(families(), [], some, {"a": "0" * 64}), made)


def head(**changes: Any) -> dict[str, Any]:
    settings = AuditBenchmark(**changes).model_dump(mode="json")
    hardware: dict[str, str] = {}
    return {
        "title": "t", "recipe": "r", "settings": settings, "versions": {}, "hardware": hardware,
        "started": "2026-01-01T00:00:00Z", "wall_s": 1.0,
    }  # fmt: skip
