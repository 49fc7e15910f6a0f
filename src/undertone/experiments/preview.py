"""Counts the jobs of a run by stage and by arm, and estimates their cost, without running any."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from undertone.engine.manifest import Damaged
from undertone.engine.store import Job, Store
from undertone.engine.workers import cores, unique
from undertone.experiments.kind import F, Kind, P, S


@dataclass(frozen=True)
class Count:
    """A number of jobs."""

    needed: int
    to_make: int
    """How many of them are not in the store."""
    core_s: float
    """Estimated cost of the jobs to make, in core-seconds."""


@dataclass(frozen=True)
class Preview:
    """The jobs of an experiment, counted by stage and by arm."""

    stages: dict[str, Count]
    arms: dict[str, Count]
    """The jobs of each arm that no earlier arm needs."""
    seconds: dict[str, float]
    """Estimated cost of each job to make, by its key, in core-seconds."""

    @property
    def core_s(self) -> float:
        """Estimated cost of all jobs to make, in core-seconds."""
        return sum(count.core_s for count in self.stages.values())

    @property
    def wall_s(self) -> float:
        """Estimated seconds on all cores of this machine."""
        return self.core_s / cores()


def preview(kind: Kind[S, P, F], spec: S, store: Store) -> Preview:
    """Counts the jobs of ``spec`` and estimates the cost of those that are not in ``store``.

    Raises:
        UndertoneError: as :meth:`undertone.experiments.kind.Kind.plan`.
    """
    plan = kind.plan(spec)
    fresh: dict[str, list[Job]] = {}
    seen: set[str] = set()
    for name, jobs in plan.arms.items():
        fresh[name] = [job for job in unique(jobs) if job.key not in seen]
        seen |= {job.key for job in fresh[name]}
    every = [job for jobs in fresh.values() for job in jobs]
    expected = {job.key: kind.seconds(spec, job) for job in every}
    scales = _scales(every, expected, store)
    missing = {job.key: expected[job.key] * scales.get(job.stage.name, 1.0) for job in every if not store.has(job)}

    def count(jobs: Sequence[Job]) -> Count:
        left = [missing[job.key] for job in jobs if job.key in missing]
        return Count(len(jobs), len(left), sum(left))

    stages = dict.fromkeys(job.stage.name for job in every)
    return Preview(
        {stage: count([job for job in every if job.stage.name == stage]) for stage in stages},
        {name: count(jobs) for name, jobs in fresh.items()},
        missing,
    )


def _scales(jobs: Sequence[Job], expected: dict[str, float], store: Store) -> dict[str, float]:
    """Returns, by stage, how much longer finished jobs took than estimated: estimates are for the embedded models."""
    took, thought = defaultdict[str, float](float), defaultdict[str, float](float)
    for job in jobs:
        with suppress(Damaged):  # the run itself sets it aside and says so
            if store.has(job):
                took[job.stage.name] += store.manifest(job).seconds
                thought[job.stage.name] += expected[job.key]
    return {stage: took[stage] / thought[stage] for stage in took if thought[stage] > 0}
