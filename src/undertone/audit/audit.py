"""The audit: a file and a base in, findings out.

conversations → token ids → scores along every direction → judged against the calibration's population → findings

It also tests a claim of origin, compares format with the base's own answers, forecasts the shifts of a student, trains
canary students, and picks the rows with the highest scores.
"""

import time
from datetime import UTC, datetime
from typing import Any

from undertone.attribution.scores import Evidence
from undertone.audit import calibrations, canary, summary, verdict
from undertone.audit.calibrate import CALIBRATED
from undertone.audit.calibration import Calibration
from undertone.audit.findings import Findings, Power, StudentFinding
from undertone.audit.forecast import forecast
from undertone.audit.format import confounds
from undertone.audit.origin import claim_of_origin
from undertone.audit.request import Request
from undertone.audit.rows import base_answers, ranked, rows_of
from undertone.audit.unseen import Unseen, unseen_of
from undertone.carriers import numbers
from undertone.carriers.prompts import mark
from undertone.data.conversations import Dataset, read
from undertone.data.filters import NumberFilter
from undertone.engine import environment as surroundings
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError, unknown
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import shipped

MOST_SHOWN = 3
"""Largest number of traits whose rows are shown."""


def audit(request: Request, progress: Progress = silent) -> Findings:
    """Runs an audit.

    Raises:
        UndertoneError: a file cannot be read or has bad rows, a model or a trait is unknown, the rows contradict a
            claim of origin, or a likelihood is not a number.
    """
    started, clock, base = datetime.now(UTC), time.perf_counter(), resolve(request.model)
    dataset = read(request.path, request.rows, request.seed)
    own, matches = calibrations.find(base)
    calibration = max(own, key=lambda one: _likeness(one, dataset), default=None)
    known = {trait.name: trait for trait in (calibration.traits if calibration else shipped().values())}
    for trait in request.traits:
        if trait not in known:
            raise unknown("trait", trait, known)
    names = request.traits or tuple(known)
    candidates = verdict.Candidates(names, {name: trait.kind for name, trait in known.items()})
    traits = [known[name] for name in names]
    training = request.training.training(dataset.rows) if request.training else CALIBRATED
    foreseen = calibration.recipe_of(training) if calibration else None

    local = load(base.path)
    rows = rows_of(local, dataset, traits)
    answers = base_answers(local, rows.hidden, request.seed, progress)
    count = len(answers)
    found: dict[str, Any] = {
        "file": str(request.path),
        "digest": dataset.digest,
        "format": dataset.format,
        "model": request.model,
        "rows_in_file": dataset.rows,
        "alpha": request.alpha,
        "seed": request.seed,
        "origin": claim_of_origin(local, [row.row for row in rows.every], request, progress),
        "unseen": unseen_of(dataset, rows.left_out, rows.told),
        "overt": tuple(trait for trait, mentions in rows.mentions.items() if mentions),
        "confounds": confounds([row.answer for row in rows.hidden[:count]], answers, rows.clusters[:count])
        if answers
        else None,
        "started": started,
        "made_with": surroundings.versions() | surroundings.hardware(),
    }
    student = _student(training, calibration) if request.training else None
    if calibration is None or rows.distinct < verdict.LEAST_GROUPS:
        tokens = sum(len(row.row.answer) for row in rows.hidden)
        return Findings(
            verdict="could not be calibrated" if calibration is None else "inconclusive",
            headline=f"No verdict on hidden traits: {_lacking(request, calibration, rows.distinct)}.",
            rows=(),
            traits=(),
            student=student,
            power=Power(rows=len(rows.hidden), tokens=tokens, floor=request.floor, detectable=None, rows_needed=None),
            calibration=None,
            rows_per_s=0.0,
            wall_s=time.perf_counter() - clock,
            **found,
        )

    control, control_unseen = _control(local, request, calibration, traits, progress)
    before = time.perf_counter()
    evidence = rows.evidence(local, calibration.directions, "rows scored", progress)
    rate = len(rows.hidden) / (time.perf_counter() - before)
    null = verdict.null_of(calibration, candidates, rows.groups)
    judged = verdict.judge(null, evidence, request.alpha, control)
    recipe = request.training.training if request.training else lambda rows: CALIBRATED
    canaries = canary.outcome(local, base, rows.hidden, answers, request.canaries, request.seed, recipe, progress)
    forecasts = {} if foreseen is None else forecast(null, judged, request.alpha, foreseen)
    if student and forecasts:
        student = student.model_copy(update={"forecast": True})

    findings = summary.trait_findings(judged, request.alpha, rows.mentions, forecasts, canaries)
    power = summary.power_of(null, evidence, judged, request, len(rows.hidden))
    about = summary.about(calibration, null, matches, _likeness(calibration, dataset), control is not None)
    word = summary.verdict_of(findings, power, about)
    single = [trait for trait in findings if not trait.is_kind]
    shown = [trait.name for trait in single if trait.named] or [trait.name for trait in single[:1]]
    return Findings(
        verdict=word,
        headline=summary.headline(word, findings, power, about),
        rows=tuple(ranked(load(base.path), rows.hidden, calibration.directions, shown[:MOST_SHOWN])),
        traits=findings,
        student=student,
        power=power,
        calibration=about,
        control_unseen=control_unseen,
        rows_per_s=rate,
        wall_s=time.perf_counter() - clock,
        **found,
    )


def _lacking(request: Request, calibration: Calibration | None, distinct: int) -> str:
    """Returns what a verdict would need."""
    if calibration is None:
        return f"{request.model} has no calibration; make one: undertone audit calibrate --model {request.model}"
    few = "1 row is distinct and mentions" if distinct == 1 else f"{distinct} rows are distinct and mention"
    return f"only {few} no trait openly; at least {verdict.LEAST_GROUPS} are needed"


def _student(training: Training, calibration: Calibration | None) -> StudentFinding:
    known = calibration.recipes if calibration else ()
    return StudentFinding(training=training.model_dump(), calibrated=tuple(recipe.model_dump() for recipe in known))


def _likeness(calibration: Calibration, dataset: Dataset) -> float:
    """Returns the share of conversations that are of the calibration's carrier: by their prompts, or, without known
    prompts, number lists."""
    rule, known = NumberFilter(), set(calibration.marks)
    asked = [(c.turns[-2].content, c.turns[-1].content) for c in dataset.conversations if len(c.turns) > 1]
    if known:
        alike = sum(mark(question) in known for question, _ in asked)
    else:
        alike = sum(numbers.is_prompt(question) and rule.reason(answer) is None for question, answer in asked)
    return alike / len(dataset.conversations)


def _control(
    local: LocalModel, request: Request, calibration: Calibration, traits: list[Candidate], progress: Progress
) -> tuple[Evidence | None, Unseen]:
    if request.control is None:
        return None, Unseen()
    dataset = read(request.control, request.rows, request.seed)
    trusted = rows_of(local, dataset, traits)
    if trusted.distinct < verdict.LEAST_GROUPS:
        raise UndertoneError(
            f"{request.control} has too few distinct rows that mention no trait openly ({trusted.distinct}); give more."
        )
    evidence = trusted.evidence(local, calibration.directions, "control rows scored", progress)
    return evidence, unseen_of(dataset, trusted.left_out, trusted.told)
