"""Counts the jobs of a run by stage and by arm, and estimates their cost, without running any."""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.engine.schedule import chosen, unique
from undertone.engine.store import Job, Store
from undertone.experiments.kind import F, Kind, P, S
from undertone.stages.durations.durations import Durations


@dataclass(frozen=True)
class Count:
    """A number of jobs."""

    needed: int
    to_make: int
    """How many of them are not in the store."""
    core_s: float
    """Estimated cost of the jobs to make, in seconds of a core, or of an accelerator for jobs made there."""


@dataclass(frozen=True)
class Preview:
    """The jobs of an experiment, counted by stage and by arm."""

    stages: dict[str, Count]
    arms: dict[str, Count]
    """The jobs of each arm that no earlier arm needs."""
    seconds: dict[str, float]
    """Estimated cost of each job to make, by its key, in such seconds."""
    accelerator_s: float
    """Estimated cost of those that are made on accelerators."""
    besides_s: float
    """Estimated seconds that this process takes for what is no job."""
    wall_s: float
    """Estimated seconds on all accelerators and cores that there are."""

    @property
    def core_s(self) -> float:
        """Estimated cost of all that is to be done, in such seconds."""
        return sum(self.seconds.values()) + self.besides_s


def preview(kind: Kind[S, P, F], spec: S, store: Store, durations: Durations | None = None) -> Preview:
    """Counts the jobs of ``spec`` and estimates the cost of those that are not in ``store``, by ``durations`` of this
    machine unless others are given.

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
    durations = durations or Durations(store)
    missing = durations.of_jobs([job for job in every if not store.has(job)])

    def count(jobs: Sequence[Job]) -> Count:
        left = [missing[job.key] for job in jobs if job.key in missing]
        return Count(len(jobs), len(left), sum(left))

    left = [job for job in every if job.key in missing]
    on_device = sum(missing[job.key] for job in left if any(chosen().places(job)))
    besides_s = kind.besides(spec, durations) if missing else 0.0
    durations.release()
    stages = dict.fromkeys(job.stage.name for job in every)
    return Preview(
        {stage: count([job for job in every if job.stage.name == stage]) for stage in stages},
        {name: count(jobs) for name, jobs in fresh.items()},
        missing,
        on_device,
        besides_s,
        durations.wall_s((job, missing[job.key]) for job in left) + besides_s,
    )
