"""How long an audit takes on this machine, from a few timed steps of the model itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from undertone.attribution.scores import AT_ONCE, backward
from undertone.audit import proxies
from undertone.audit.families import families_of, plain_lessons
from undertone.audit.proxies import DIALOGUES
from undertone.audit.request import Request
from undertone.audit.rows import rows_of
from undertone.audit.sources import dataset_of, sources_of
from undertone.audit.strict import MOST_ROWS, SEEDS, STRETCHES, TEMPERATURES
from undertone.engine.store import Job
from undertone.engine.workers import cores
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.models.sampling import sample
from undertone.report.words import duration
from undertone.spec import Training
from undertone.stages.teacher import exchanges
from undertone.training.loop import train
from undertone.training.rows import Row
from undertone.training.rows import rows_of as rows_to_train_on

START = 6.0
"""Seconds that a process takes until it works: it imports torch and loads the model."""
SCORING = 1.3
"""Time of scoring, in times of a forward and backward pass; measured by benchmarks/."""
ANSWERS = 16
"""Answers that are sampled to see how long that takes."""


@dataclass(frozen=True)
class Cost:
    """What an audit has to do, and how long that takes."""

    proxies: int
    """Fine-tunes that are still to be made for this base."""
    proxies_s: float
    rows: int
    rows_s: float
    members: int = 0
    """Harmless models of a strict audit."""
    members_s: float = 0.0

    @property
    def json(self) -> dict[str, Any]:
        """All of it, with the sum of the seconds."""
        return asdict(self) | {"expected_s": round(self.proxies_s + self.rows_s + self.members_s, 1)}

    def __str__(self) -> str:
        """71 fine-tunes, once for this base: about 1 min 40 s; 2,000 rows: about 8 s, on 2 cores."""
        work = (
            (self.proxies, self.proxies_s, "fine-tunes, once for this base"),
            (self.rows, self.rows_s, "rows"),
            (self.members, self.members_s, "harmless models"),
        )
        parts = [f"{count:,} {what}: about {duration(seconds)}" for count, seconds, what in work if count]
        return f"{'; '.join(parts)}, on {cores()} cores"


def cost_of(request: Request) -> Cost:
    """Times a few steps of the model and returns what the audit takes, but for canary students. Makes nothing.

    Raises:
        UndertoneError: a file cannot be read, or a model or a trait is unknown.
    """
    base = resolve(request.model, request.chat_template)
    sources = sources_of(dataset_of(request), None)
    families = families_of(base.path, request.traits, request.own)
    plan, held = proxies.plan(base, families), proxies.store()
    missing = [job for job in plan.proxies.values() if not held.has(job)] if not held.has(plan.directions) else []
    local = load(base.path)
    rows = [row.row for part in sources.values() for row in rows_of(local, part, []).every]
    some = rows[:: max(1, len(rows) // (AT_ONCE // 2))][: AT_ONCE // 2]
    local.model.zero_grad(set_to_none=True)
    each = _timed(lambda: backward(local, some), 2) / len(some)
    local.model.zero_grad(set_to_none=True)
    written = [job for job in missing if "system" in job.spec["lesson"]]  # The base writes their dialogues itself.
    given = [job for job in missing if job not in written]
    counted = sum(len(jobs) * _proxy(load(base.path), jobs[0]) for jobs in (written, given) if jobs)
    cost = Cost(
        len(missing),
        START + counted / cores() if missing else 0.0,
        len(rows),
        START + SCORING * each * len(rows),
    )
    if not request.strict:
        return cost
    lessons = list(plain_lessons(base.path).values())
    trained = len(lessons) * SEEDS
    members = trained * len(STRETCHES) + len(TEMPERATURES)
    teaching = _proxy(load(base.path), proxies.job(base, proxies.training_of(base.path), lessons[0], 0))
    answering = _answering(local, some) + SCORING * each
    work = trained * teaching + members * answering * min(len(rows), MOST_ROWS)
    return replace(cost, members=members, members_s=START + work / cores())


def _answering(local: LocalModel, rows: Sequence[Row]) -> float:
    """Returns the seconds that the base takes for an answer, of as many tokens as the longest given one."""
    prompts, most = [row.prompt for row in rows], max(len(row.answer) for row in rows)
    return _timed(lambda: sample(local, prompts, temperature=1.0, max_tokens=most, seed=0), 1) / len(rows)


def _proxy(local: LocalModel, job: Job) -> float:
    """Returns the seconds that one proxy takes on one core. Proxies are made by processes of one thread."""
    threads, training = torch.get_num_threads(), Training(**job.spec["training"])
    torch.set_num_threads(1)
    try:
        clock = time.perf_counter()
        turns = exchanges(local, job.spec["lesson"], ANSWERS, 0)
        writing = (time.perf_counter() - clock) * min(DIALOGUES, training.steps * training.batch) / ANSWERS
        rows = rows_to_train_on(local, turns)
        clock = time.perf_counter()
        train(local, rows, training.model_copy(update={"steps": 2}), 0)
        return writing + (time.perf_counter() - clock) * training.steps / 2
    finally:
        torch.set_num_threads(threads)


def _timed(work: Callable[[], object], times: int) -> float:
    """Returns the seconds of the fastest of several runs."""
    found = []
    for _ in range(times):
        clock = time.perf_counter()
        work()
        found.append(time.perf_counter() - clock)
    return min(found)
