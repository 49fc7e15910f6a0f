"""Kinds of many trials: at every point of some axes; for every pair of models; for every base, trait and seed.

All points are in one store. An artifact that several points need is made once: points that differ only in the student
have the same teachers and rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from undertone.engine.schedule import unique
from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.experiments.kind import Kind, Made, Warn
from undertone.experiments.sweep import axes, pairs, replicates
from undertone.experiments.sweep.findings import KinFindings, ReplicationsFindings, SweepFindings
from undertone.experiments.sweep.point import Result
from undertone.experiments.sweep.spec import Key, Kin, Replications, Study, Sweep
from undertone.experiments.trial.check import check
from undertone.experiments.trial.gather import Gathered
from undertone.experiments.trial.page import effect_line
from undertone.experiments.trial.plan import Plan as TrialPlan
from undertone.experiments.trial.plan import plan
from undertone.experiments.trial.spec import Trial
from undertone.models.names import root
from undertone.world import family


@dataclass(frozen=True)
class Plan:
    """The trial of every point and its plan."""

    trials: Mapping[Key, Trial]
    plans: Mapping[Key, TrialPlan]
    found: dict[Key, Result] = field(default_factory=dict)
    """The results of the finished points."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, each once."""
        return unique([job for plan in self.plans.values() for job in plan.jobs])

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each point."""
        return {" ".join(key): plan.jobs for key, plan in self.plans.items()}

    @property
    def models(self) -> dict[str, str]:
        """Digests of the base models by name."""
        return {name: key for plan in self.plans.values() for name, key in plan.models.items()}


def _plan(spec: Study) -> Plan:
    trials = spec.trials()
    return Plan(trials, {key: plan(trial) for key, trial in trials.items()})


def _check(spec: Study, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    told = set[str]()  # several points can share a job; one warning is enough

    def once(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            warn(sentence)

    for key, trial in plan.trials.items():
        check(trial, plan.plans[key], job, made, once)


def _finished(spec: Study, plan: Plan, made: Made) -> Mapping[Key, Result]:
    """Returns the results of the finished points."""
    for key, trial in plan.trials.items():
        if key not in plan.found and made.has(*plan.plans[key].jobs):
            gathered = Gathered(trial, plan.plans[key], made)
            treated = gathered.arms[spec.treated]
            control = gathered.arms[str(spec.arms[spec.treated].against)]
            plan.found[key] = Result(gathered.arms, treated, control, gathered.effects(), gathered.teachers())
    return plan.found


def _lines(spec: Study, plan: Plan, made: Made, found: object) -> list[str]:
    return [f"{' '.join(key)}:{effect_line(result.main)}" for key, result in _finished(spec, plan, made).items()]


def _sweep(spec: Sweep, plan: Plan, made: Made) -> SweepFindings:
    return SweepFindings(**made.head(), **axes.findings(spec, _finished(spec, plan, made)))


def _pairs(spec: Kin, plan: Plan, made: Made) -> KinFindings:
    return KinFindings(**made.head(), **pairs.findings(spec, _finished(spec, plan, made)))


def _replications(spec: Replications, plan: Plan, made: Made) -> ReplicationsFindings:
    return ReplicationsFindings(**made.head(), **replicates.findings(spec, _finished(spec, plan, made)))


def _plan_of_pairs(spec: Kin) -> Plan:
    """Lays out all jobs. Raises one UndertoneError for all models that have to be built first."""
    builtin = [root(name).removeprefix("builtin/") for name in spec.models if name.startswith("builtin/")]
    if missing := [name for name in builtin if not family.is_here(name)]:
        raise UndertoneError(
            f"{len(missing)} of the recipe's {len(spec.models)} models are not built yet; build them with: "
            f"undertone models build {' '.join(missing)}"
        )
    return _plan(spec)


SWEEP = Kind(Sweep, SweepFindings, _plan, _sweep, _check, lines=_lines)
PAIRS = Kind(Kin, KinFindings, _plan_of_pairs, _pairs, _check, lines=_lines)
REPLICATIONS = Kind(Replications, ReplicationsFindings, _plan, _replications, _check, lines=_lines)
