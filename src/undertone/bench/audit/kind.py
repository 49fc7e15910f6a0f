"""The benchmark of the audit as a kind of experiment: datasets are written and scored, then judged for error rates."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from undertone.attribution import directions
from undertone.attribution.scores import GROUPS, evidence, spread
from undertone.audit import calibrate, calibrations
from undertone.audit.calibration import Calibration
from undertone.audit.page import words_of
from undertone.audit.request import FLOOR
from undertone.bench.audit.adversarial import misled, moved
from undertone.bench.audit.baselines import baselines, line_of, prompt_scores
from undertone.bench.audit.findings import AuditBenchmarkFindings, Line, Speed
from undertone.bench.audit.judge import PER_GROUP, Judge, Planted, by_kind, layout_of
from undertone.bench.audit.page import page
from undertone.bench.audit.spec import OTHER, AuditBenchmark
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import Kind, Made, Warn
from undertone.models.loading import load
from undertone.models.local import score
from undertone.models.names import resolve
from undertone.training.rows import read_sampled
from undertone.traits.candidate import Candidate

SAME = 0.01
"""Directions are the same if their squared distance is at most this share of their squared length."""


@dataclass(frozen=True)
class Plan:
    """The jobs that the calibration consists of, and all datasets."""

    made: calibrate.Plan
    calibration: Calibration
    planted: Sequence[Planted]
    simpler: Sequence[Job]
    """Jobs for simpler detectors."""
    models: dict[str, str]

    @property
    def jobs(self) -> list[Job]:
        """All jobs. The directions come first, because they must be those of the calibration."""
        planted = [job for one in self.planted for job in one.jobs]
        return [*self.made.proxies.values(), self.made.directions, *planted, *self.simpler]

    @cached_property
    def arms(self) -> dict[str, list[Job]]:
        """The directions, then the datasets of each kind."""
        found = {"directions": [*self.made.proxies.values(), self.made.directions]}
        found |= {kind: [job for one in some for job in one.jobs] for kind, some in by_kind(self.planted).items()}
        return found | ({"simpler detectors": list(self.simpler)} if self.simpler else {})


def plan(spec: AuditBenchmark) -> Plan:
    """Lays out all datasets.

    Raises:
        UndertoneError: the base has no calibration for this carrier, or there are too few prompts.
    """
    prompts = None if spec.prompts is None else Path(spec.prompts)
    made, other = calibrate.plan(spec.model, calibrate.Size(), prompts=prompts), OTHER[spec.model]
    calibration = _calibration(spec.model, made, prompts)
    planted = layout_of(spec.model, made.directions, spec.teachers, other, calibration.recipes, prompts)
    planted = [one for one in planted if one.adversarial or not spec.adversarial]
    simpler = [*made.specimens.values(), *prompt_scores(made, planted)] if spec.baselines else []
    return Plan(made, calibration, planted, simpler, {name: resolve(name).key for name in (spec.model, other)})


def _calibration(model: str, made: calibrate.Plan, prompts: Path | None) -> Calibration:
    """Returns the calibration for the carrier that teachers write in and for the embedded world's traits.

    Raises:
        UndertoneError: there is none, or there are too few prompts for the rows of a file.
    """
    known, matches = calibrations.find(resolve(model))
    traits = tuple(map(Candidate.of, made.traits))
    if (count := made.ground.carrier["prompts"]) < calibrate.CARRIER["prompts"]:
        raise UndertoneError(f"{prompts} has {count} prompts; {calibrate.CARRIER['prompts']} are needed.")
    for calibration in known if matches else ():
        if (calibration.marks, calibration.traits) == (made.ground.marks, traits):
            return calibration
    command = f"undertone audit calibrate --model {model}{f' --prompts {prompts}' if prompts else ''}"
    raise UndertoneError(f"{model} has no calibration for {made.ground.about}; make it with: {command}")


def check(spec: AuditBenchmark, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Raises UndertoneError if directions differ from the calibration's by more than the rounding of other machines."""
    if job.key != plan.made.directions.key:
        return
    own = directions.read(made.store.checked(job, "directions.safetensors"))
    kept = plan.calibration.directions
    if any(_apart(own.change(name), kept.change(name)) > SAME for name in kept.names):
        raise UndertoneError(f"The calibration of {plan.calibration.model} has other proxies than the default.")


def _apart(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Returns the squared distance of two changes, divided by the squared length of the second."""
    distance = sum(float((one[weight] - change).square().sum()) for weight, change in other.items())
    return distance / sum(float(change.square().sum()) for change in other.values())


def gather(spec: AuditBenchmark, plan: Plan, made: Made) -> AuditBenchmarkFindings:
    """Returns the error rates once every dataset is scored."""
    judge, planted = Judge(plan.calibration, made.store), plan.planted
    recipes = () if spec.prompts or spec.adversarial else plan.calibration.recipes
    return AuditBenchmarkFindings(
        **made.head(),
        models=plan.models,
        alpha=judge.alpha,
        floor=FLOOR,
        alarms=judge.alarms(planted),
        adversarial=misled(judge, planted),
        moved=moved(judge, planted),
        detections=judge.detections(planted),
        verdicts=judge.verdicts(planted),
        curve=tuple(judge.curve(planted)),
        beside=_beside(judge, planted, plan.made) if spec.baselines else {},
        forecasts=tuple((words_of(one.model_dump()), judge.forecasts(planted, k)) for k, one in enumerate(recipes)),
        speed=_speed(judge, planted, spec.model),
    )


def _beside(judge: Judge, planted: Sequence[Planted], base: calibrate.Plan) -> dict[str, Line]:
    """Returns the audit on all rows and on few of them, then the simpler detectors."""
    few = GROUPS // 8
    found = {
        "the audit": line_of(planted, judge.scored),
        f"the audit, {few * PER_GROUP} rows": line_of(planted, lambda p: judge.scored(p, judge.evidence(p).first(few))),
    }
    return found | {b.name: line_of(b.files, b.judge) for b in baselines(base, planted, judge.store, judge.alpha)}


def _speed(judge: Judge, planted: Sequence[Planted], model: str) -> Speed:
    base, along = resolve(model).path, judge.calibration.directions
    rows, _ = read_sampled(judge.store.folder(planted[0].made))
    started = time.perf_counter()
    score(load(base), [row.prompt for row in rows], [row.answer for row in rows])
    between = time.perf_counter()
    evidence(load(base), rows, spread(range(len(rows))), along)
    return Speed(
        rows_per_second=len(rows) / (time.perf_counter() - between),
        forward_rows_per_second=len(rows) / (between - started),
        directions=len(along.names),
    )


def default_store() -> Store:
    """Returns the store of calibrations, because the benchmark needs the artifacts that they were made from."""
    return Store(calibrations.made() / "store")


AUDIT = Kind(
    spec=AuditBenchmark,
    findings=AuditBenchmarkFindings,
    plan=plan,
    gather=gather,
    page=page,
    seconds=lambda _, job: calibrate.seconds(job),
    check=check,
)
