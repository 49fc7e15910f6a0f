"""The benchmark of the audit as a kind of experiment: files are written and scored, then judged for error rates."""

from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.bench.audit.gather import gather
from undertone.bench.audit.page import page
from undertone.bench.audit.plan import plan
from undertone.bench.audit.spec import AuditBenchmark
from undertone.engine.store import Job
from undertone.experiments.kind import Kind

SECONDS = {"proxy": 3.0, "directions": 8.0, "specimen": 5.0, "scores": 8.0, "outcome": 3.0}
"""Seconds of one core that a job of each stage takes on the embedded base, without training."""
A_ROW = 0.0025
"""Seconds of training for each row of a step."""


def seconds(spec: AuditBenchmark, job: Job) -> float:
    """Returns roughly how many seconds a job takes on one core with the embedded models."""
    trained = [job.spec] if job.stage.name == "outcome" else []
    if job.stage.name == "specimen":
        writers = enumerate(job.spec["writers"])
        trained = [how for k, how in writers if how["lesson"] or f"read {k}" in job.inputs]
    rows = sum(how["training"]["steps"] * how["training"]["batch"] for how in trained)
    return SECONDS[job.stage.name] + A_ROW * float(rows)


AUDIT = Kind(spec=AuditBenchmark, findings=AuditBenchmarkFindings, plan=plan, gather=gather, page=page, seconds=seconds)
