"""A benchmark of mitigations as a kind of experiment.

files with and without a trait → both treated → students → their trait and task measured → shares that are left
"""

from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.experiments.kind import Kind, Made, Warn
from undertone.experiments.mitigations.findings import MitigationFindings
from undertone.experiments.mitigations.gather import gather
from undertone.experiments.mitigations.plan import Plan, plan
from undertone.experiments.mitigations.spec import Mitigations
from undertone.experiments.trial.check import refuse_dataset, refuse_teacher
from undertone.stages import DATASET

LEAST_HELD_OUT = 50
"""Rows that are needed to measure the task."""


def check(spec: Mitigations, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Refuses what a trial would refuse, and a unit with too few rows left to measure the task on.

    Raises:
        UndertoneError: a refused teacher or dataset, or too few held-out rows.
    """
    for source in plan.sources:
        for trial, unit in source.students:
            if job.key == unit.jobs[0].key:
                refuse_teacher(trial, unit, made.store)
            if job.key == unit.jobs[2].key:
                refuse_dataset(trial, unit, made.store)
        if job.key == source.held_out.key and job.stage is DATASET:  # held-out sums are never too few
            left = made.read(job, "counts.json")["used"] - source.skip
            if left < LEAST_HELD_OUT:
                raise UndertoneError(
                    f"Only {left} rows of {source.name} are left to measure the task on, and {LEAST_HELD_OUT} are "
                    "needed; raise carrier.prompts of the recipe, or lower its rows."
                )


MITIGATIONS = Kind(Mitigations, MitigationFindings, plan, gather, check)
