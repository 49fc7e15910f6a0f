"""The benchmark of the audit as a kind of experiment: files are written and scored, then judged for error rates."""

from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.gather import gather
from undertone.bench.audit.plan import plan
from undertone.bench.audit.spec import AuditBenchmark
from undertone.engine.store import Job
from undertone.experiments.kind import Kind

SECONDS = {"proxy": 0.5, "directions": 3.0, "specimen": 3.0, "scores": 6.0, "outcome": 1.0}
"""Seconds of one core that a job of each stage takes on the embedded base, without training. Random directions double
those of scores."""
A_ROW = 0.0025
"""Seconds of training for each row of a step."""
A_DOSE = 5.0
"""Seconds for each writer whose dose is scaled."""


def seconds(spec: AuditBenchmark, job: Job) -> float:
    """Returns roughly how many seconds a job takes on one core with the embedded models."""
    writers = job.spec.get("writers", ())
    trained = [how for k, how in enumerate(writers) if how["lesson"] or f"read {k}" in job.inputs]
    trained += [job.spec] if "training" in job.spec else []
    rows: int = sum(how["training"]["steps"] * how["training"]["batch"] for how in trained)
    doses = sum(bool(how["dose"]) for how in writers)
    passes = 2 if "isotropic" in job.spec else 1
    return SECONDS[job.stage.name] * passes + A_ROW * rows + A_DOSE * doses


AUDIT = Kind(spec=AuditBenchmark, findings=AuditBenchmarkFindings, plan=plan, gather=gather, seconds=seconds)
