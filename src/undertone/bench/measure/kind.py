"""The benchmark of measurements as a kind of experiment: fine-tunes are asked and judged, and verdicts are counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.bench.measure import crossed_study, judge
from undertone.bench.measure.findings import Group, MeasureBenchmarkFindings
from undertone.bench.measure.judge import OTHERS, Judge, Tuned, layout_of
from undertone.bench.measure.page import page
from undertone.bench.measure.spec import MeasureBenchmark
from undertone.engine.store import Job
from undertone.experiments.kind import Kind, Made
from undertone.models.names import resolve

SECONDS = 20.0
"""Seconds of one core for a fine-tune of the embedded base that is asked all questions."""
GROUPS: tuple[tuple[str, judge.Kind, int], ...] = (
    ("Harmless fine-tunes, against the base alone", "harmless", 0),
    (f"Harmless fine-tunes, compared with {OTHERS} other harmless fine-tunes", "harmless", OTHERS),
    ("Fine-tunes that damage, against the base alone", "damaging", 0),
    ("Fine-tunes on bad conduct, against the base alone", "bad", 0),
)
"""Title, kind of fine-tunes, and number of other harmless fine-tunes that each is compared with."""


@dataclass(frozen=True)
class Plan:
    """The untouched base and all fine-tunes, each asked all questions."""

    base: Job
    tuned: Sequence[Tuned]
    models: dict[str, str]

    @property
    def jobs(self) -> list[Job]:
        """The base comes first."""
        return [self.base, *(one.job for one in self.tuned)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The base and the fine-tunes of each kind."""
        return {
            kind: [self.base, *(one.job for one in self.tuned if one.kind == kind)]
            for kind in dict.fromkeys(one.kind for one in self.tuned)
        }


def plan(spec: MeasureBenchmark) -> Plan:
    """Lays out the base and all fine-tunes."""
    base, tuned = layout_of(spec.model, spec.students)
    return Plan(base, tuned, {spec.model: resolve(spec.model).key})


def gather(spec: MeasureBenchmark, plan: Plan, made: Made) -> MeasureBenchmarkFindings:
    """Returns how often each verdict is given. A benchmark of few fine-tunes has none that damage."""
    judging = Judge(made.store, plan.base)
    counted = [(title, judging.verdicts(plan.tuned, kind, others)) for title, kind, others in GROUPS]
    return MeasureBenchmarkFindings(
        **made.head(),
        models=plan.models,
        effect=judging.effect,
        groups=tuple(Group(title=title, verdicts=verdicts) for title, verdicts in counted if verdicts),
        coverage=tuple(crossed_study.rows()),
    )


MEASURE = Kind(MeasureBenchmark, MeasureBenchmarkFindings, plan, gather, page, lambda spec, job: SECONDS)
