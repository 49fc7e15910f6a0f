"""The benchmark of measurements as a kind of experiment: fine-tunes are asked and judged, and verdicts are counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from undertone.bench.measure import crossed_study
from undertone.bench.measure.choice import choose
from undertone.bench.measure.findings import Group, MeasureBenchmarkFindings, Side
from undertone.bench.measure.judge import EFFECTS, OTHERS, SHARES, Judge, Tuned, layout_of
from undertone.bench.measure.spec import MeasureBenchmark
from undertone.engine.store import Job
from undertone.experiments.kind import Kind, Made
from undertone.measure.request import EFFECT
from undertone.models.names import resolve


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
    """Returns how often each verdict is given at each effect, and the effect that the rule chooses."""
    judging = Judge(made.store, plan.base)
    groups = [group for side in get_args(Side) for group in _groups(judging, side, plan.tuned)]
    harmless = groups[0]
    return MeasureBenchmarkFindings(
        **made.head(),
        models=plan.models,
        effects=EFFECTS,
        default=EFFECT,
        chosen=choose({effect: harmless.at(effect) for effect in EFFECTS}),
        groups=tuple(groups),
        coverage=tuple(crossed_study.rows()),
    )


def _groups(judging: Judge, side: Side, tuned: Sequence[Tuned]) -> Iterator[Group]:
    """Yields the groups of a side, the harmless fine-tunes against the base alone first."""
    ours = [one for one in tuned if one.side == side]
    harmless = [one for one in ours if one.kind == "harmless"]
    yield _group(judging, "harmless", side, harmless)
    yield Group(title=f"harmless, beside {OTHERS} others", side=side, judged=judging.verdicts(harmless, harmless))
    for share in SHARES:
        bad = [one for one in ours if one.kind == "bad" and one.share == share]
        yield _group(judging, f"{share:.0%} bad rows", side, bad)
    damaging = [one for one in ours if one.kind == "damaging"]
    yield _group(judging, "damaging", side, damaging)


def _group(judging: Judge, title: str, side: Side, some: Sequence[Tuned]) -> Group:
    return Group(
        title=title,
        side=side,
        judged=judging.verdicts(some),
        battery=judging.battery(some),
        inside=judging.inside(some),
    )


MEASURE = Kind(MeasureBenchmark, MeasureBenchmarkFindings, plan, gather)
