"""The benchmark of measurements as a kind of experiment: fine-tunes → asked → judged → how often each verdict comes."""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.bench.measure import crossed_study
from undertone.bench.measure.findings import Group, MeasureBenchmarkFindings
from undertone.bench.measure.judge import BESIDE, Judge, Tuned, layout_of
from undertone.bench.measure.page import page
from undertone.bench.measure.spec import MeasureBenchmark
from undertone.engine.store import Job
from undertone.experiments.kind import Kind, Made
from undertone.models.names import resolve

SECONDS = 20.0
"""Of one core, for a fine-tune of the embedded base that is asked all questions."""


@dataclass(frozen=True)
class Plan:
    """The untouched base, asked; and every fine-tune."""

    base: Job
    tuned: Sequence[Tuned]
    models: dict[str, str]

    @property
    def jobs(self) -> list[Job]:
        """The base first."""
        return [self.base, *(one.job for one in self.tuned)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """Fine-tunes by what they were made for."""
        found: dict[str, list[Job]] = {}
        for one in self.tuned:
            found.setdefault(one.kind, [self.base]).append(one.job)
        return found


def plan(spec: MeasureBenchmark) -> Plan:
    """Lays out the base and all fine-tunes."""
    base, tuned = layout_of(spec.model, spec.students)
    return Plan(base, tuned, {spec.model: resolve(spec.model).key})


def gather(spec: MeasureBenchmark, plan: Plan, made: Made) -> MeasureBenchmarkFindings:
    """How often each verdict is given, once all are asked."""
    judge = Judge(made.store, plan.base)
    asked = (
        ("Harmless fine-tunes, against the base alone", "harmless", 0),
        (f"Harmless fine-tunes, beside {BESIDE} other harmless fine-tunes", "harmless", BESIDE),
        ("Fine-tunes that damage, against the base alone", "damaging", 0),
        ("Fine-tunes on bad conduct, against the base alone", "bad", 0),
    )
    groups = [
        Group(title=title, verdicts={lesson: dict(counted) for lesson, counted in verdicts.items()})
        for title, kind, beside in asked
        for verdicts in [judge.verdicts(plan.tuned, kind, beside)]  # type: ignore[arg-type]
        if verdicts  # among few fine-tunes none damages
    ]
    return MeasureBenchmarkFindings(
        **made.head(),
        models=plan.models,
        effect=judge.effect,
        groups=tuple(groups),
        coverage=tuple(crossed_study.rows()),
    )


MEASURE = Kind(MeasureBenchmark, MeasureBenchmarkFindings, plan, gather, page, lambda spec, job: SECONDS)
