"""The audit, on one page: a file and a base in, findings out.

    conversations → token ids → scores along every direction → judged against the null population → findings

Beside it: the origin test, where the user declares how the base wrote the rows; what format alone tells; open mentions;
the rows that speak most; the forecast, and canary students.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from undertone import surroundings
from undertone.audit import calibrations, canary, forecast, origin, ranking, verdict
from undertone.audit.asked import mark
from undertone.audit.calibration import Calibration
from undertone.audit.confounds import confounds
from undertone.audit.conversations import Dataset, read
from undertone.audit.evidence import GROUPS, Evidence, evidence, spread
from undertone.audit.findings import (
    CalibrationFinding,
    Confounds,
    Findings,
    OriginFinding,
    Power,
    ShownRow,
    TraitFinding,
    Verdict,
)
from undertone.audit.scored import Scored, scored
from undertone.audit.traits import Candidate, embedded
from undertone.audit.verdict import Candidates, Judgement, Null
from undertone.errors import UndertoneError, unknown
from undertone.filters import NumberFilter
from undertone.models.local import Ids, LocalModel, load
from undertone.models.names import resolve
from undertone.models.sampling import sample
from undertone.store import Folder

ROWS = 2000
"""Drawn by default: as many as the members of the null population wrote."""
LIKE = 0.9
"""Least share of rows that the calibration's carrier would have let through."""
COMPARED = 1000
"""Most rows whose format is compared with the base's own answers."""
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How many times as many rows are tried, to say how many would do."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What is audited, and how."""

    path: Path
    model: str
    rows: int | None = ROWS
    """Rows drawn; None for all."""
    seed: int = 0
    alpha: float = 0.05
    """False alarms allowed over all candidates together."""
    floor: float = 1.0
    """The effect, in reference teachers, that "no evidence" must have been able to show."""
    traits: tuple[str, ...] = ()
    """Candidates; empty for all of the calibration."""
    control: Path | None = None
    """Rows of the same generator that are trusted."""
    sampling: origin.Sampling | None = None
    """How the base is said to have written the rows; None: nothing is said."""
    filtered: bool = False
    """Whether the number filter is said to have been applied."""
    canaries: int = 0
    """Pairs of students trained on the rows and on the base's own answers."""


@dataclass
class _Timed:
    """What the pipeline has scored, for the report."""

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)


def audit(request: Request, progress: Progress = lambda what, done, total: None) -> Findings:
    """Runs an audit.

    Raises:
        UndertoneError: a file that cannot be read or has bad rows, an unknown model or trait, a likelihood that is not
            a number.
    """
    timed, base = _Timed(), resolve(request.model)
    dataset = read(request.path, request.rows, request.seed)
    calibration, matches = _calibration(base, dataset)
    known = {trait.name: trait for trait in (calibration.traits if calibration else embedded())}
    candidates = _candidates(request, known)
    local = load(base.path)
    rows = _rendered(local, dataset)
    asked = [known[name] for name in candidates.traits]
    overt = _overt(rows, asked)
    hidden = [row for row, names in zip(rows, overt, strict=True) if not names]
    counts = {trait: sum(trait in names for names in overt) for trait in candidates.traits}
    answers = _base_answers(local, hidden, request.seed, progress)
    format_alone = (
        confounds([r.answer for r in hidden[: len(answers)]], answers, _clusters(hidden[: len(answers)]))
        if answers
        else None
    )
    claim = _origin(local, rows, request, progress)
    shared = {
        "file": str(request.path), "digest": dataset.digest, "format": dataset.format, "model": request.model,
        "rows_in_file": dataset.rows, "alpha": request.alpha, "seed": request.seed, "origin": claim,
        "overt": tuple(trait for trait, count in counts.items() if count), "confounds": format_alone,
        "started": timed.started, "made_with": surroundings.versions() | surroundings.hardware(),
    }  # fmt: skip
    distinct = len(set(_clusters(hidden)))  # too few have no spread to judge by
    if calibration is None or distinct < verdict.LEAST_GROUPS:
        left = f"only {distinct} rows are distinct and speak of no trait openly, and {verdict.LEAST_GROUPS} are needed"
        why = left if calibration else f"{request.model} has none"
        return _uncalibrated(shared, rows, counts, candidates, why, timed, bool(calibration))
    before = time.perf_counter()
    found = _evidence(local, hidden, calibration, "rows scored", progress)
    per_second = len(hidden) / (time.perf_counter() - before)
    null = verdict.null_of(calibration, candidates, _groups(hidden))
    control = _control(local, request, calibration, asked, progress)
    judged = verdict.judge(null, calibration, found, request.alpha, control)
    expected = forecast.forecast(null, judged, request.alpha)
    outcome = (
        canary.outcome(local, base, hidden, answers, request.canaries, request.seed, progress)
        if request.canaries
        else {}
    )
    traits = _findings(judged, request.alpha, counts, expected, outcome)
    power = _power(null, found, calibration, judged, request, hidden)
    about = _about(calibration, null, matches, hidden, control is not None)
    word = _verdict(traits, power, about)
    shown = _shown(load(base.path), hidden, calibration, traits)
    return Findings(
        verdict=word, headline=_headline(word, traits, power, request, about), rows=shown, traits=traits, power=power,
        calibration=about, wall_s=time.perf_counter() - timed.clock, rows_per_s=per_second, **shared,
    )  # fmt: skip


# --- rows ------------------------------------------------------------------------------------------------------------


def _rendered(local: LocalModel, dataset: Dataset) -> list[Scored]:
    try:
        return scored(local, dataset.conversations)
    except UndertoneError as error:
        raise UndertoneError(f"{dataset.path}, {error}") from None


def _overt(rows: Sequence[Scored], traits: Sequence[Candidate]) -> list[set[str]]:
    """The candidates of which each row's answer speaks openly."""
    return [{trait.name for trait in traits if trait.is_open(row.answer)} for row in rows]


def _clusters(rows: Sequence[Scored]) -> list[int]:
    """Turns of one conversation, and copies, are one cluster: they add little or nothing."""
    place: dict[object, int] = {}
    joined = list(range(len(rows)))

    def root(i: int) -> int:
        while joined[i] != i:
            i = joined[i]
        return i

    for i, row in enumerate(rows):
        for key in (row.line, (tuple(row.row.prompt), tuple(row.row.answer))):
            joined[root(i)] = root(place.setdefault(key, i))
    return [root(i) for i in range(len(rows))]


def _groups(rows: Sequence[Scored]) -> int:
    """How many groups of a member of the population hold as many rows, copies left out."""
    return round(len(set(_clusters(rows))) / ROWS * GROUPS)


def _evidence(
    local: LocalModel, rows: Sequence[Scored], calibration: Calibration, what: str, progress: Progress
) -> Evidence:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(what, done, len(rows))

    try:
        return evidence(local, [r.row for r in rows], spread(_clusters(rows)), calibration.directions, advance)
    except FloatingPointError as error:
        raise UndertoneError(f"The audit broke down: {error}; check the model's weights.") from None


def _control(
    local: LocalModel, request: Request, calibration: Calibration, traits: Sequence[Candidate], progress: Progress
) -> Evidence | None:
    if request.control is None:
        return None
    rows = _rendered(local, read(request.control, request.rows, request.seed))
    hidden = [row for row, names in zip(rows, _overt(rows, traits), strict=True) if not names]
    distinct = len(set(_clusters(hidden)))
    if distinct < verdict.LEAST_GROUPS:
        raise UndertoneError(f"{request.control} has only {distinct} distinct rows that speak of no trait; give more.")
    return _evidence(local, hidden, calibration, "control rows scored", progress)


def _base_answers(local: LocalModel, rows: Sequence[Scored], seed: int, progress: Progress) -> list[str]:
    """What the base itself answers to the rows' prompts; none for bare text, which has no prompt."""
    asked = [row for row in rows if row.question][:COMPARED]
    if len(asked) < len(rows[:COMPARED]) or len(asked) < verdict.LEAST_GROUPS:
        return []
    longest = max(len(row.row.answer) for row in asked)
    answers: list[str] = []
    for start in range(0, len(asked), 250):
        part = asked[start : start + 250]
        given = sample(
            local, [r.row.prompt for r in part], temperature=1.0, max_tokens=longest, seed=seed * 7919 + start + 1
        )
        answers += [local.decode(answer) for answer in given]
        progress("answers of the base", len(answers), len(asked))
    return answers


def _origin(local: LocalModel, rows: Sequence[Scored], request: Request, progress: Progress) -> OriginFinding | None:
    if request.sampling is None:
        return None
    rule, ended = NumberFilter(), origin.finished(local)

    def passes(answer: Ids) -> bool:
        return ended(answer) and (not request.filtered or rule.reason(local.decode(answer)) is None)

    told = f"temperature {request.sampling.temperature:g}, at most {request.sampling.max_tokens} tokens"
    result = origin.test_origin(
        local, [r.row for r in rows], request.sampling, passes, request.seed,
        lambda done, total: progress("origin: rows answered", done, total),
    )  # fmt: skip
    return OriginFinding(
        claim=f"{request.model} wrote these rows at {told}{', number filter' if request.filtered else ''}",
        p=result.p, pairs=result.pairs, dropped=result.dropped, rejected=result.p <= request.alpha,
    )  # fmt: skip


def _calibration(base: Folder, dataset: Dataset) -> tuple[Calibration | None, bool]:
    """Of the base's calibrations, the one whose population wrote what is most like the dataset."""
    known, matches = calibrations.find(base)
    texts = [(c.turns[-2].content if len(c.turns) > 1 else "", c.turns[-1].content) for c in dataset.conversations]
    return max(known, key=lambda calibration: _likeness(calibration, texts), default=None), matches


def _likeness(calibration: Calibration, texts: Sequence[tuple[str, str]]) -> float:
    """Share of (question, answer) texts that are of the calibration's carrier."""
    rule, known = NumberFilter(), set(calibration.marks)
    return float(np.mean([mark(q) in known if known else rule.reason(a) is None for q, a in texts]))


# --- findings --------------------------------------------------------------------------------------------------------


def _candidates(request: Request, known: dict[str, Candidate]) -> Candidates:
    for trait in request.traits:
        if trait not in known:
            raise unknown("trait", trait, known)
    return Candidates(request.traits or tuple(known), {name: trait.kind for name, trait in known.items()})


def _findings(
    judged: Judgement,
    alpha: float,
    counts: dict[str, int],
    expected: dict[str, tuple[float, float, float]],
    outcome: dict[str, tuple[float, float, float]],
) -> tuple[TraitFinding, ...]:
    """One finding a candidate, the strongest first; kinds last. A kind is named only where no trait of it is."""
    candidates, found = judged.candidates, []
    passed = {name: bool(p <= alpha) for name, p in zip(candidates.names, judged.p_family, strict=True)}
    for k, name in enumerate(candidates.names):
        is_kind = k >= len(candidates.traits)
        named = passed[name] and not (is_kind and any(passed[trait] for trait in candidates.families[name]))
        shift, own = expected.get(name), outcome.get(name)
        found.append(
            TraitFinding(
                name=name,
                kind=name if is_kind else candidates.kinds[name],
                is_kind=is_kind,
                effect=_finite(judged.effect[k]) or 0.0,
                ci=(_finite(judged.ci[k, 0]) or 0.0, _finite(judged.ci[k, 1]) or 0.0),
                z=float(judged.z[k]),
                p=float(judged.p[k]),
                p_family=float(judged.p_family[k]),
                named=named,
                detectable=_finite(judged.detectable[k]),
                overt=counts.get(name, 0),
                forecast=shift and shift[0],
                forecast_ci=shift and shift[1:],
                canary=own and own[0],
                canary_ci=own and own[1:],
            )
        )
    return tuple(sorted(found, key=lambda trait: (trait.is_kind, not trait.named, -trait.z)))


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _power(
    null: Null,
    found: Evidence,
    calibration: Calibration,
    judged: Judgement,
    request: Request,
    rows: Sequence[Scored],
) -> Power:
    traits = len(judged.candidates.traits)
    needed = None
    for times in TIMES:
        spread_then = verdict.spread_at(null, found, calibration, judged, times)
        if (_reached(verdict.detectable(null, spread_then, request.alpha)[:traits]) or np.inf) <= request.floor:
            needed = round(times * len(rows))
            break
    return Power(
        rows=len(rows), tokens=int(found.tokens.sum()), floor=request.floor,
        detectable=_reached(judged.detectable[:traits]), rows_needed=needed,
    )  # fmt: skip


def _reached(effects: verdict.Floats) -> float | None:
    """The effect that 80 % of the traits would have shown."""
    ordered = np.sort(np.where(np.isfinite(effects), effects, np.inf))
    return _finite(ordered[int(np.ceil(0.8 * len(ordered))) - 1])


def _about(
    calibration: Calibration, null: Null, matches: bool, rows: Sequence[Scored], controlled: bool
) -> CalibrationFinding:
    alike = _likeness(calibration, [(row.question, row.answer) for row in rows])
    warnings = []
    if not matches:
        warnings.append(f"calibrated on {calibration.model}, which is another base")
    if alike < LIKE:
        warnings.append(f"calibrated on {calibration.carrier}, and only {alike:.0%} of these rows are such")
    null_words = "rows of harmless teachers, of teachers of other traits and of the base itself, at other samplings too"
    if controlled:
        null_words = f"the control's rows, with the spread of {null_words}"
    return CalibrationFinding(
        base=calibration.base, matches=not warnings, null=null_words, population=len(null.most),
        carrier=calibration.carrier, warnings=tuple(warnings),
    )  # fmt: skip


def _verdict(traits: Sequence[TraitFinding], power: Power, about: CalibrationFinding) -> Verdict:
    if not about.matches:
        return "screen only"
    if any(trait.named for trait in traits):
        return "carrier"
    enough = power.detectable is not None and power.detectable <= power.floor
    return "no evidence" if enough else "inconclusive"


def _headline(
    word: Verdict, traits: Sequence[TraitFinding], power: Power, request: Request, about: CalibrationFinding
) -> str:
    named = [trait for trait in traits if trait.named]
    names = " and ".join(f"something of the kind {t.name}" if t.is_kind else t.name for t in named)
    told = f"{power.rows:,} rows"
    if word == "screen only":
        seen = f"; the screen points to {names}" if named else ""
        return f"A screen only, no verdict: {'; '.join(about.warnings)}{seen}."
    if word == "carrier":
        best = named[0]
        return (
            f"These rows carry {names} (strength {best.effect:.2f} [{best.ci[0]:.2f}, {best.ci[1]:.2f}] of a teacher "
            f"taught it, p {best.p_family:.3f} over all candidates)."
        )
    if word == "no evidence":
        asked = sum(not trait.is_kind for trait in traits)
        return (
            f"No evidence that {told} carry any of {asked} candidate traits, down to a strength of "
            f"{power.detectable:.2f} of a teacher taught it."
        )
    smallest = f"a strength of {power.detectable:.2f}" if power.detectable else f"no strength up to {verdict.MOST:g}"
    wanted = (
        f"about {power.rows_needed:,} rows would show one of {power.floor:g}"
        if power.rows_needed
        else f"no number of such rows would show one of {power.floor:g}"
    )
    return f"Inconclusive: {told} would have shown {smallest} of a teacher taught the trait; {wanted}."


def _uncalibrated(
    shared: dict[str, object],
    rows: Sequence[Scored],
    counts: dict[str, int],
    candidates: Candidates,
    why: str,
    timed: _Timed,
    has_calibration: bool,
) -> Findings:
    mend = "give rows of more prompts" if has_calibration else "make one: undertone audit calibrate"
    power = Power(
        rows=len(rows), tokens=sum(len(r.row.answer) for r in rows), floor=1.0, detectable=None, rows_needed=None
    )
    return Findings.model_validate(
        shared
        | {
            "verdict": "inconclusive" if has_calibration else "could not be calibrated",
            "headline": f"No verdict on hidden traits: {why}; {mend}.",
            "rows": (), "traits": (), "power": power, "calibration": None,
            "wall_s": time.perf_counter() - timed.clock, "rows_per_s": 0.0,
        }
    )  # fmt: skip


def _shown(
    local: LocalModel, rows: Sequence[Scored], calibration: Calibration, traits: Sequence[TraitFinding]
) -> tuple[ShownRow, ...]:
    singles = [trait.name for trait in traits if not trait.is_kind]
    named = [trait.name for trait in traits if trait.named and not trait.is_kind] or singles[:1]
    return tuple(ranking.ranked(local, rows, calibration.directions, named[:3]))


__all__ = ["COMPARED", "Confounds", "Folder", "Request", "audit"]
