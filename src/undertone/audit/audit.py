"""The audit, on one page: a file and a base in, findings out.

    conversations → token ids → scores along every direction → judged against the null population → findings

Beside it: the claim of origin, what format alone tells, the rows that speak most, the forecast, canary students.
"""

import time
from datetime import UTC, datetime
from typing import Any

from undertone.attribution.scores import Evidence
from undertone.audit import calibrations, canary, verdict
from undertone.audit.base_answers import base_answers, claim_of_origin
from undertone.audit.calibrate import CALIBRATED
from undertone.audit.calibration import Calibration
from undertone.audit.findings import Findings, Power, ShownRow, StudentFinding, TraitFinding
from undertone.audit.forecast import forecast
from undertone.audit.format import confounds
from undertone.audit.open_rows import Opened, opened
from undertone.audit.request import Request
from undertone.audit.summary import about, headline, power_of, trait_findings, verdict_of
from undertone.audit.top_rows import ranked
from undertone.audit.verdict import Candidates
from undertone.carriers import numbers
from undertone.carriers.prompts import mark
from undertone.data.conversations import Dataset, read
from undertone.data.filters import NumberFilter
from undertone.engine import environment as surroundings
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.models.local import LocalModel, load
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import shipped

MOST_SHOWN = 3
"""Traits whose rows are shown."""


def audit(request: Request, progress: Progress = silent) -> Findings:
    """Runs an audit.

    Raises:
        UndertoneError: a file that cannot be read or has bad rows, an unknown model or trait, a claim of origin that
            the rows contradict, a likelihood that is not a number.
    """
    started, clock, base = datetime.now(UTC), time.perf_counter(), resolve(request.model)
    dataset = read(request.path, request.rows, request.seed)
    calibration, matches = _calibration(base, dataset)
    known = {trait.name: trait for trait in (calibration.traits if calibration else shipped().values())}
    candidates = _candidates(request, known)
    asked = [known[name] for name in candidates.traits]
    training = request.training.training(dataset.rows) if request.training else CALIBRATED
    foreseen = calibration.recipe_of(training) if calibration else None

    local = load(base.path)
    file = opened(local, dataset, asked)
    answers = base_answers(local, file.hidden, request.seed, progress)
    compared = len(answers)
    shared: dict[str, Any] = {
        "file": str(request.path),
        "digest": dataset.digest,
        "format": dataset.format,
        "model": request.model,
        "rows_in_file": dataset.rows,
        "alpha": request.alpha,
        "seed": request.seed,
        "origin": claim_of_origin(local, file.rows, request, progress),
        "student": _student(training, calibration) if request.training else None,
        "overt": tuple(trait for trait, count in file.open_rows.items() if count),
        "confounds": confounds([r.answer for r in file.hidden[:compared]], answers, file.clusters[:compared])
        if answers
        else None,
        "started": started,
        "made_with": surroundings.versions() | surroundings.hardware(),
    }
    if calibration is None or file.distinct < verdict.LEAST_GROUPS:
        return _without_judgement(shared, file, request, calibration, time.perf_counter() - clock)

    control = _control(local, request, calibration, asked, progress)
    before = time.perf_counter()
    found = file.evidence(local, calibration.directions, "rows scored", progress)
    rate = len(file.hidden) / (time.perf_counter() - before)
    null = verdict.null_of(calibration, candidates, file.groups)
    judged = verdict.judge(null, calibration, found, request.alpha, control)
    recipe = request.training.training if request.training else lambda rows: CALIBRATED
    outcome = canary.outcome(local, base, file.hidden, answers, request.canaries, request.seed, recipe, progress)
    expected = {} if foreseen is None else forecast(null, judged, request.alpha, foreseen)
    if shared["student"] and expected:
        shared["student"] = shared["student"].model_copy(update={"forecast": True})

    traits = trait_findings(judged, request.alpha, file.open_rows, expected, outcome)
    power = power_of(null, found, calibration, judged, request, len(file.hidden))
    calibrated = about(calibration, null, matches, _likeness(calibration, dataset), control is not None)
    word = verdict_of(traits, power, calibrated)
    return Findings(
        verdict=word,
        headline=headline(word, traits, power, calibrated),
        rows=_shown(base, file, calibration, traits),
        traits=traits,
        power=power,
        calibration=calibrated,
        rows_per_s=rate,
        wall_s=time.perf_counter() - clock,
        **shared,
    )


def _student(training: Training, calibration: Calibration | None) -> StudentFinding:
    known = calibration.recipes if calibration else ()
    return StudentFinding(training=training.model_dump(), calibrated=tuple(recipe.model_dump() for recipe in known))


def _calibration(base: Folder, dataset: Dataset) -> tuple[Calibration | None, bool]:
    """Of the base's calibrations, the one whose population wrote what is most like the dataset."""
    known, matches = calibrations.find(base)
    return max(known, key=lambda calibration: _likeness(calibration, dataset), default=None), matches


def _likeness(calibration: Calibration, dataset: Dataset) -> float:
    """Share of conversations that are of the calibration's carrier."""
    rule, known = NumberFilter(), set(calibration.marks)
    asked = [(c.turns[-2].content, c.turns[-1].content) for c in dataset.conversations if len(c.turns) > 1]
    if known:
        alike = sum(mark(question) in known for question, _ in asked)
    else:
        alike = sum(numbers.is_prompt(question) and rule.reason(answer) is None for question, answer in asked)
    return alike / len(dataset.conversations)


def _candidates(request: Request, known: dict[str, Candidate]) -> Candidates:
    for trait in request.traits:
        if trait not in known:
            raise unknown("trait", trait, known)
    return Candidates(request.traits or tuple(known), {name: trait.kind for name, trait in known.items()})


def _control(
    local: LocalModel, request: Request, calibration: Calibration, traits: list[Candidate], progress: Progress
) -> Evidence | None:
    if request.control is None:
        return None
    trusted = opened(local, read(request.control, request.rows, request.seed), traits)
    if trusted.distinct < verdict.LEAST_GROUPS:
        raise UndertoneError(
            f"{request.control} has only {trusted.distinct} distinct rows that speak of no trait; give more."
        )
    return trusted.evidence(local, calibration.directions, "control rows scored", progress)


def _without_judgement(
    shared: dict[str, Any], file: Opened, request: Request, calibration: Calibration | None, wall_s: float
) -> Findings:
    """Nothing can be said of hidden traits; the rest still can."""
    if calibration is None:
        why = f"{request.model} has no calibration; make one: undertone audit calibrate --model {request.model}"
    else:
        why = (
            f"only {file.distinct} rows are distinct and speak of no trait openly; "
            f"at least {verdict.LEAST_GROUPS} are needed"
        )
    tokens = sum(len(row.row.answer) for row in file.hidden)
    return Findings(
        verdict="could not be calibrated" if calibration is None else "inconclusive",
        headline=f"No verdict on hidden traits: {why}.",
        rows=(),
        traits=(),
        power=Power(rows=len(file.hidden), tokens=tokens, floor=request.floor, detectable=None, rows_needed=None),
        calibration=None,
        rows_per_s=0.0,
        wall_s=wall_s,
        **shared,
    )


def _shown(
    base: Folder, file: Opened, calibration: Calibration, traits: tuple[TraitFinding, ...]
) -> tuple[ShownRow, ...]:
    """Rows of the traits that are named, or else of the strongest."""
    singles = [trait for trait in traits if not trait.is_kind]
    chosen = [trait.name for trait in singles if trait.named] or [trait.name for trait in singles[:1]]
    return tuple(ranked(load(base.path), file.hidden, calibration.directions, chosen[:MOST_SHOWN]))
