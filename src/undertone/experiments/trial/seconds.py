"""Roughly how long the jobs of a trial take."""

from __future__ import annotations

from undertone.engine.store import Job
from undertone.experiments.trial.spec import Trial

# Seconds of one core that an artifact took with the embedded models, each scaled by what it grows with.
PER_TEACHER_ROW, PER_DOSE, PER_COMPLETION, PER_STUDENT_ROW, PER_MEASUREMENT = 0.0025, 3.2, 0.0009, 0.0019, 0.6
PER_CONTEXT_ROW = 0.5


def seconds(trial: Trial, job: Job) -> float:
    """Seconds of one core that a job of this trial may take, with the embedded models."""
    student, teacher = trial.student, trial.teacher.training
    both = 1.4 if "teacher" in job.inputs else 1.0  # the teacher's forward pass beside the student's
    if job.spec.get("given"):
        return PER_DOSE + 2.0
    return {
        "teacher": PER_TEACHER_ROW * teacher.steps * teacher.batch + (PER_DOSE if trial.teacher.divergence else 0.0),
        "completions": PER_COMPLETION * trial.carrier.prompts,
        "dataset": 0.2,
        "dialogues": 0.1,
        "rewritten": 0.5,
        "mixed": 0.2,
        "student": PER_STUDENT_ROW * student.steps * student.batch * both,
        "measurement": PER_MEASUREMENT + PER_CONTEXT_ROW * int(job.spec.get("context", 0)),
    }[job.stage.name]
