"""Estimates how long the jobs of a trial take."""

from collections.abc import Mapping
from typing import Any

from undertone.engine.store import Job

# Measured core-seconds with the embedded models, for each row, completion, measurement or scaling to a dose.
PER_TEACHER_ROW, PER_DOSE, PER_COMPLETION, PER_STUDENT_ROW, PER_MEASUREMENT = 0.0025, 3.2, 0.0009, 0.0019, 0.6
PER_CONTEXT_ROW = 0.5
OTHERS = {"dataset": 0.2, "dialogues": 0.1, "rewritten": 0.5, "mixed": 0.2}


def seconds(job: Job) -> float:
    """Returns the estimated seconds of a job on one core, with the embedded models."""
    spec = job.spec
    match job.stage.name:
        case "teacher" if "given" in spec:
            return PER_DOSE + 2.0
        case "teacher":
            return PER_TEACHER_ROW * _rows(spec) + (PER_DOSE if spec["divergence"] else 0.0)
        case "completions":
            return PER_COMPLETION * float(spec["carrier"]["prompts"])
        case "student":
            both = 1.4 if "teacher" in job.inputs else 1.0  # the teacher's forward passes too
            return PER_STUDENT_ROW * _rows(spec) * both
        case "measurement":
            return PER_MEASUREMENT + PER_CONTEXT_ROW * int(spec.get("context", 0))
    return OTHERS[job.stage.name]


def _rows(spec: Mapping[str, Any]) -> int:
    """Returns the number of rows in all steps of a training."""
    return int(spec["training"]["steps"] * spec["training"]["batch"])
