"""The benchmark of the audit as a kind of experiment: datasets planted → scored → judged → error rates."""

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
from undertone.audit.request import FLOOR
from undertone.bench.audit.baselines import Line, baselines, line_of, prompt_scores
from undertone.bench.audit.findings import AuditBenchmarkFindings, Detection, Point, Speed
from undertone.bench.audit.judge import PER_GROUP, ROWS, SHARES, Judge, Planted, layout_of
from undertone.bench.audit.page import page
from undertone.bench.audit.spec import OTHER, AuditBenchmark
from undertone.carriers import prompts as carrier_prompts
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import Kind, Made, Warn
from undertone.models.local import load, score
from undertone.models.names import resolve
from undertone.training.rows import read_sampled
from undertone.traits.candidate import Candidate

SAME = 0.01
"""Directions whose squared distance is at most this share of their squared length are the same."""


@dataclass(frozen=True)
class Plan:
    """What the calibration rests on, and every planted dataset."""

    made: calibrate.Plan
    calibration: Calibration
    planted: Sequence[Planted]
    beside: Sequence[Job]
    """What simpler detectors need."""
    models: dict[str, str]

    @property
    def jobs(self) -> list[Job]:
        """The directions first: they must be the calibration's."""
        planted = [job for one in self.planted for job in one.jobs]
        return [*self.made.proxies.values(), self.made.directions, *planted, *self.beside]

    @cached_property
    def arms(self) -> dict[str, list[Job]]:
        """The datasets of each kind, after the directions."""
        found = {"directions": [*self.made.proxies.values(), self.made.directions]}
        for one in self.planted:
            found.setdefault(one.kind, []).extend(one.jobs)
        return found | ({"simpler detectors": list(self.beside)} if self.beside else {})


def plan(spec: AuditBenchmark) -> Plan:
    """Lays out all datasets.

    Raises:
        UndertoneError: the base has no calibration for this carrier, or there are too few prompts.
    """
    prompts = None if spec.prompts is None else Path(spec.prompts)
    made, other = calibrate.plan(spec.model, calibrate.Size(), prompts=prompts), OTHER[spec.model]
    calibration = _calibration(spec.model, made, prompts)
    planted = layout_of(spec.model, made.directions, spec.teachers, other, calibration.recipes, prompts)
    beside = [*made.specimens.values(), *prompt_scores(made, planted)] if spec.baselines else []
    return Plan(made, calibration, planted, beside, {name: resolve(name).key for name in (spec.model, other)})


def check(spec: AuditBenchmark, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Refuses directions that are not the calibration's own, but for what another machine rounds."""
    if job.key != plan.made.directions.key:
        return
    own = directions.read(made.store.checked(job, "directions.safetensors"))
    kept = plan.calibration.directions
    if any(_apart(own.change(name), kept.change(name)) > SAME for name in kept.names):
        raise UndertoneError(f"The calibration of {plan.calibration.model} has other proxies than the default.")


def gather(spec: AuditBenchmark, plan: Plan, made: Made) -> AuditBenchmarkFindings:
    """Error rates, once every dataset is scored."""
    judge, planted = Judge(plan.calibration, made.store), list(plan.planted)
    curve = judge.curve(planted)
    return AuditBenchmarkFindings(
        **made.head(),
        models=plan.models,
        alpha=judge.alpha,
        floor=FLOOR,
        alarms=judge.alarms(planted),
        detections=_detections(judge, planted),
        verdicts=judge.verdicts(planted),
        curve=tuple(
            Point(share=share, rows=rows, named=curve[share, rows])
            for share in SHARES
            for rows in ROWS
            if (share, rows) in curve
        ),
        beside=_beside(judge, planted, plan.made) if spec.baselines else {},
        forecasts=_forecasts(judge, planted) if spec.prompts is None else (),
        speed=_speed(judge, planted, spec.model),
    )


def _calibration(model: str, made: calibrate.Plan, prompts: Path | None) -> Calibration:
    """The one for the carrier that teachers write in, and for the embedded world's traits.

    Raises:
        UndertoneError: there is none, or there are too few prompts for the rows of a file.
    """
    known, matches = calibrations.find(resolve(model))
    marks = carrier_prompts.marks(made.ground.prompts.path) if made.ground.prompts else ()
    traits = tuple(map(Candidate.of, made.traits))
    if (count := made.ground.carrier["prompts"]) < calibrate.CARRIER["prompts"]:
        raise UndertoneError(f"{prompts} has {count} prompts; {calibrate.CARRIER['prompts']} are needed.")
    for calibration in known if matches else ():
        if (calibration.marks, calibration.traits) == (marks, traits):
            return calibration
    command = f"undertone audit calibrate --model {model}{f' --prompts {prompts}' if prompts else ''}"
    raise UndertoneError(f"{model} has no calibration for {made.ground.about}; make it with: {command}")


def _apart(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Squared distance of two changes over the squared length of the second."""
    distance = sum(float((one[weight] - change).square().sum()) for weight, change in other.items())
    return distance / sum(float(change.square().sum()) for change in other.values())


def _detections(judge: Judge, planted: list[Planted]) -> dict[str, Detection]:
    found, apart, oracle = judge.detections(planted), judge.separation(planted), judge.oracle(planted)
    return {
        kind: Detection(
            named=named,
            wrong=wrong,
            auroc=apart[kind][0],
            above=apart[kind][1],
            oracle=oracle[kind][0],
            direction=oracle[kind][1],
            ratio=oracle[kind][2],
        )
        for kind, (named, wrong) in found.items()
    }


def _beside(judge: Judge, planted: list[Planted], base: calibrate.Plan) -> dict[str, Line]:
    """The audit on all rows and on few of them, then the simpler detectors."""
    few = GROUPS // 8
    found = {
        "the audit": line_of(planted, judge.scored),
        f"the audit, {few * PER_GROUP} rows": line_of(planted, lambda p: judge.scored(p, judge.evidence(p).first(few))),
    }
    return found | {b.name: line_of(b.files, b.judge) for b in baselines(base, planted, judge.store, judge.alpha)}


def _forecasts(judge: Judge, planted: list[Planted]) -> tuple[tuple[str, dict[str, float]], ...]:
    recipes = judge.calibration.recipes
    told = [", ".join(f"{key} {value}" for key, value in recipe.model_dump().items()) for recipe in recipes]
    return tuple((how, judge.forecasts(planted, k)) for k, how in enumerate(told))


def _speed(judge: Judge, planted: list[Planted], model: str) -> Speed:
    base = resolve(model).path
    rows, _ = read_sampled(judge.store.folder(planted[0].made))
    started = time.perf_counter()
    score(load(base), [row.prompt for row in rows], [row.answer for row in rows])
    forward = time.perf_counter() - started
    started = time.perf_counter()
    evidence(load(base), rows, spread(range(len(rows))), judge.calibration.directions)
    own = time.perf_counter() - started
    return Speed(
        rows_per_second=len(rows) / own,
        forward_rows_per_second=len(rows) / forward,
        directions=len(judge.calibration.directions.names),
    )


def default_store() -> Store:
    """Where calibrations are made too: the benchmark needs what they rest on."""
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
