"""The trial as a kind of experiment: teacher -> completions -> filter -> students -> measurement -> estimate."""

from __future__ import annotations

from typing import Any

from undertone.engine.store import Job
from undertone.experiments.kind import Kind, Made, Warn
from undertone.experiments.trial.check import check
from undertone.experiments.trial.cost import of_trial
from undertone.experiments.trial.gather import Gathered
from undertone.experiments.trial.page import arm_line, effect_line, page
from undertone.experiments.trial.plan import Plan, plan
from undertone.experiments.trial.results import Results
from undertone.experiments.trial.seconds import seconds
from undertone.experiments.trial.spec import Trial
from undertone.models.names import is_repository
from undertone.models.services.cost import Part
from undertone.report.page import Page


class TrialKind(Kind[Trial, Plan, Results]):
    """Students of teachers with a trait, against students of teachers without it."""

    spec = Trial
    findings = Results

    def plan(self, spec: Trial) -> Plan:
        return plan(spec)

    def check(self, spec: Trial, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
        check(spec, plan, job, made.store, warn)

    def gather(self, spec: Trial, plan: Plan, made: Made) -> Results | None:
        gathered = Gathered(spec, plan, made)
        return gathered.results() if gathered.arms else None

    def page(self, found: Results) -> Page:
        return page(found)

    def summary(self, found: Results) -> dict[str, Any]:
        return {
            "run_dir": found.run_dir,
            "wall_s": found.wall_s,
            "arms": [
                {
                    "name": arm.name,
                    "teachers": arm.teachers,
                    "students": len(arm.students),
                    "probability": arm.probability,
                    "ci": arm.ci,
                    "finished_s": arm.finished_s,
                }
                for arm in found.arms
            ],
            "effects": [
                {
                    "arm": e.arm,
                    "against": e.against,
                    "measure": e.measure,
                    "log_odds" if e.measure != "probability" else "difference": e.value,
                    "ci_low": e.ci_low,
                    "ci_high": e.ci_high,
                    "p": e.p,
                    "p_holm": e.p_holm,
                }
                for e in found.all_effects
            ],
        }

    def lines(self, spec: Trial, plan: Plan, made: Made, found: Results | None) -> list[str]:
        if found is None:
            return []
        effects = [e for e in found.all_effects if e.measure not in ("probability", "own-minus-other-traits")]
        return [*map(arm_line, found.arms), *map(effect_line, effects)]

    def seconds(self, spec: Trial, job: Job) -> float:
        return seconds(spec, job)

    def cost(self, spec: Trial) -> list[Part] | None:
        return of_trial(spec) if is_repository(spec.base) else None


TRIAL = TrialKind()
