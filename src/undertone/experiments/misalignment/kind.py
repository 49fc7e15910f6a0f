"""Emergent misalignment as a kind of experiment.

base → aligned base → one narrow file for each arm and domain → student → advice in all domains → contrasts of arms
"""

from undertone.engine.store import Job
from undertone.experiments.kind import Kind
from undertone.experiments.misalignment.findings import MisalignmentFindings
from undertone.experiments.misalignment.gather import gather
from undertone.experiments.misalignment.plan import plan
from undertone.experiments.misalignment.spec import Misalignment
from undertone.stages import MOVED

STARTED, ROW, ASKED, SCALED = 0.5, 2e-3, 2.0, 3.0
"""Seconds of one core with the embedded models: to start a job, for each row of each step, to measure a student, and to
find the factor of an adapter that is scaled."""


def seconds(spec: Misalignment, job: Job) -> float:
    """Estimates how long a job takes on one core."""
    if job.stage is MOVED:
        return STARTED
    training = job.spec["training"]
    untrained = training is None or job.spec.get("file") == "persona"
    trained = 0.0 if untrained else ROW * training["steps"] * training["batch"]
    return STARTED + trained + ASKED + (SCALED if "as_far_as" in job.inputs else 0.0)


MISALIGNMENT = Kind(Misalignment, MisalignmentFindings, plan, gather, seconds)
