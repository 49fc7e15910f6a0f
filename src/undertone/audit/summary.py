"""From numbers to findings: the result of each candidate, the power, the verdict and its sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from undertone.attribution.scores import Evidence
from undertone.audit import verdict
from undertone.audit.calibration import Calibration
from undertone.audit.findings import CalibrationFinding, Power, TraitFinding, Verdict
from undertone.audit.request import Request
from undertone.audit.verdict import Judgement, Null

LIKE = 0.9
"""Least share of rows that must be of the calibration's carrier."""
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Multiples of the number of rows that are tried, to say how many rows would be enough."""

UNIT = "1 means that every row was written by a teacher with the trait"

Shifts = Mapping[str, tuple[float, float, float]]
"""For each trait a shift in log-odds and the ends of its interval."""


def trait_findings(
    judged: Judgement, alpha: float, mentions: Mapping[str, int], forecasts: Shifts, canaries: Shifts
) -> tuple[TraitFinding, ...]:
    """Returns a finding for each candidate that its own teachers show, the strongest first and kinds last. A kind is
    named only if none of its traits is."""
    candidates, found = judged.candidates, []
    passed = {name: bool(p <= alpha) for name, p in zip(candidates.names, judged.p_family, strict=True)}
    for k, name in enumerate(candidates.names):
        if not np.isfinite(judged.effect[k]):
            continue
        is_kind = k >= len(candidates.traits)
        forecast, canary = forecasts.get(name), canaries.get(name)
        low, high = judged.ci[k].tolist()
        found.append(
            TraitFinding(
                name=name,
                kind=name if is_kind else candidates.kinds[name],
                is_kind=is_kind,
                effect=float(judged.effect[k]),
                ci=(low, high),
                z=float(judged.z[k]),
                p=float(judged.p[k]),
                p_family=float(judged.p_family[k]),
                named=passed[name] and not (is_kind and any(passed[trait] for trait in candidates.families[name])),
                detectable=_finite(judged.detectable[k]),
                overt=mentions.get(name, 0),
                forecast=forecast and forecast[0],
                forecast_ci=forecast and forecast[1:],
                canary=canary and canary[0],
                canary_ci=canary and canary[1:],
            )
        )
    return tuple(sorted(found, key=lambda trait: (trait.is_kind, not trait.named, -trait.z)))


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def power_of(null: Null, found: Evidence, judged: Judgement, request: Request, rows: int) -> Power:
    """Returns what the rows can detect, and how many rows would be enough."""
    enough = (
        round(times * rows)
        for times in TIMES
        if verdict.showable(null, verdict.spread_at(null, found, judged, times), request.alpha) <= request.floor
    )
    curve = verdict.over_traits(verdict.powers(null, judged.spread, request.alpha), judged.candidates)
    return Power(
        rows=rows,
        tokens=int(found.tokens.sum()),
        floor=request.floor,
        detectable=_finite(verdict.reached(curve)),
        rows_needed=next(enough, None),
        curve=tuple(zip(verdict.EFFECTS.tolist(), curve.tolist(), strict=True)),
    )


def about(calibration: Calibration, null: Null, matches: bool, likeness: float, controlled: bool) -> CalibrationFinding:
    """Returns what the rows were compared with, in words, and how they differ from it."""
    unlike = []
    if not matches:
        unlike.append(f"calibrated on {calibration.model}, which is another base")
    if likeness < LIKE:
        unlike.append(f"calibrated on {calibration.carrier}, and only {likeness:.0%} of these rows are such")
    names = zip(null.candidates.names, null.strengths, strict=True)
    lacking = [f"{name} could not be calibrated: its own teachers do not show it" for name, s in names if np.isnan(s)]
    words = "rows of harmless teachers, of teachers of traits not asked for, and of the base at several samplings"
    return CalibrationFinding(
        base=calibration.base,
        matches=not unlike,
        null=f"the control's rows, with the spread of {words}" if controlled else words,
        population=len(null.members),
        carrier=calibration.carrier,
        warnings=(*unlike, *lacking),
    )


def verdict_of(traits: Sequence[TraitFinding], power: Power, calibrated: CalibrationFinding) -> Verdict:
    """Returns the verdict, which is only a screen if the calibration does not fit."""
    if not calibrated.matches:
        return "screen only"
    if any(trait.named for trait in traits):
        return "carries a trait"
    enough = power.detectable is not None and power.detectable <= power.floor
    return "no evidence" if enough else "inconclusive"


def headline(word: Verdict, traits: Sequence[TraitFinding], power: Power, calibrated: CalibrationFinding) -> str:
    """Returns the verdict in a sentence or two."""
    named = [trait for trait in traits if trait.named]
    names = " and ".join(f"something of the kind {t.name}" if t.is_kind else t.name for t in named)
    rows = f"{power.rows:,} rows"
    if word == "screen only":
        pointing = f"; the screen points to {names}" if named else ""
        return f"A screen only, no verdict: {'; '.join(calibrated.warnings)}{pointing}."
    if word == "carries a trait":
        best = named[0]
        effect = f"{best.effect:.2f} [{best.ci[0]:.2f}, {best.ci[1]:.2f}]"
        return f"These rows carry {names}: effect {effect}, p {best.p_family:.3f} over all candidates ({UNIT})."
    if word == "no evidence":
        asked = [trait for trait in traits if not trait.is_kind]
        what, shown = asked[0].name, f"an effect of {power.detectable:.2f}"
        if len(asked) > 1:
            worst = max(asked, key=lambda trait: trait.detectable or np.inf)
            size = f"{worst.detectable:.2f}" if worst.detectable else f"more than {verdict.MOST:g}"
            what = f"any of {len(asked)} candidate traits"
            shown += f" on average; {worst.name}, the hardest, takes {size}"
        return f"No evidence that {rows} carry {what}: they can show {shown} ({UNIT})."
    shown = f"can show an effect of {power.detectable:.2f}" if power.detectable else "are too few to find anything"
    needed = f"about {power.rows_needed:,} rows" if power.rows_needed else "no number of such rows"
    return f"Inconclusive: {rows} {shown}; {needed} can show {power.floor:g} ({UNIT})."
