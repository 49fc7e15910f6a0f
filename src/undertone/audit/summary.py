"""Findings from numbers: a line for every candidate, the power, the verdict and its sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from undertone.attribution.scores import Evidence
from undertone.audit import verdict
from undertone.audit.calibration import Calibration
from undertone.audit.findings import CalibrationFinding, Power, TraitFinding, Verdict
from undertone.audit.request import Request
from undertone.audit.verdict import Judgement, Null

LIKE = 0.9
"""Least share of rows that are of the calibration's carrier."""
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How many times as many rows are tried, to say how many would do."""

Shifts = Mapping[str, tuple[float, float, float]]


def trait_findings(
    judged: Judgement, alpha: float, open_rows: Mapping[str, int], expected: Shifts, outcome: Shifts
) -> tuple[TraitFinding, ...]:
    """One finding a candidate, the strongest first; kinds last. A kind is named only where no trait of it is."""
    candidates, found = judged.candidates, []
    passed = {name: bool(p <= alpha) for name, p in zip(candidates.names, judged.p_family, strict=True)}
    for k, name in enumerate(candidates.names):
        if not np.isfinite(judged.effect[k]):
            continue  # its own teachers do not show it: the calibration says so
        is_kind = k >= len(candidates.traits)
        named = passed[name] and not (is_kind and any(passed[trait] for trait in candidates.families[name]))
        shift, own = expected.get(name), outcome.get(name)
        found.append(
            TraitFinding(
                name=name,
                kind=name if is_kind else candidates.kinds[name],
                is_kind=is_kind,
                effect=float(judged.effect[k]),
                ci=(float(judged.ci[k, 0]), float(judged.ci[k, 1])),
                z=float(judged.z[k]),
                p=float(judged.p[k]),
                p_family=float(judged.p_family[k]),
                named=named,
                detectable=_finite(judged.detectable[k]),
                overt=open_rows.get(name, 0),
                forecast=shift and shift[0],
                forecast_ci=shift and shift[1:],
                canary=own and own[0],
                canary_ci=own and own[1:],
            )
        )
    return tuple(sorted(found, key=lambda trait: (trait.is_kind, not trait.named, -trait.z)))


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def power_of(
    null: Null, found: Evidence, calibration: Calibration, judged: Judgement, request: Request, rows: int
) -> Power:
    """What the rows could show, and how many would do."""
    needed = None
    for times in TIMES:
        spread_then = verdict.spread_at(null, found, calibration, judged, times)
        if verdict.showable(null, spread_then, request.alpha) <= request.floor:
            needed = round(times * rows)
            break
    curve = verdict.over_traits(verdict.powers(null, judged.spread, request.alpha), judged.candidates)
    return Power(
        rows=rows,
        tokens=int(found.tokens.sum()),
        floor=request.floor,
        detectable=_finite(verdict.reached(curve)),
        rows_needed=needed,
        curve=tuple(zip(verdict.EFFECTS.tolist(), curve.tolist(), strict=True)),
    )


def about(calibration: Calibration, null: Null, matches: bool, likeness: float, controlled: bool) -> CalibrationFinding:
    """The null in words, and how the file is unlike it."""
    unlike = []
    if not matches:
        unlike.append(f"calibrated on {calibration.model}, which is another base")
    if likeness < LIKE:
        unlike.append(f"calibrated on {calibration.carrier}, and only {likeness:.0%} of these rows are such")
    lacking = [name for name, s in zip(null.candidates.names, null.strengths, strict=True) if not np.isfinite(s)]
    untold = [f"{name} could not be calibrated: its own teachers do not show it" for name in lacking]
    words = "rows of harmless teachers, of teachers of traits not asked for, and of the base at several samplings"
    if controlled:
        words = f"the control's rows, with the spread of {words}"
    return CalibrationFinding(
        base=calibration.base,
        matches=not unlike,
        null=words,
        population=null.population,
        carrier=calibration.carrier,
        warnings=(*unlike, *untold),
    )


def verdict_of(traits: Sequence[TraitFinding], power: Power, calibrated: CalibrationFinding) -> Verdict:
    """One word; nothing but a screen without a calibration that fits."""
    if not calibrated.matches:
        return "screen only"
    if any(trait.named for trait in traits):
        return "carries a trait"
    enough = power.detectable is not None and power.detectable <= power.floor
    return "no evidence" if enough else "inconclusive"


def headline(word: Verdict, traits: Sequence[TraitFinding], power: Power, calibrated: CalibrationFinding) -> str:
    """The verdict in a sentence."""
    named = [trait for trait in traits if trait.named]
    names = " and ".join(f"something of the kind {t.name}" if t.is_kind else t.name for t in named)
    told = f"{power.rows:,} rows"
    if word == "screen only":
        seen = f"; the screen points to {names}" if named else ""
        return f"A screen only, no verdict: {'; '.join(calibrated.warnings)}{seen}."
    if word == "carries a trait":
        best = named[0]
        return (
            f"These rows carry {names} (strength {best.effect:.2f} [{best.ci[0]:.2f}, {best.ci[1]:.2f}] of a teacher "
            f"taught it, p {best.p_family:.3f} over all candidates)."
        )
    if word == "no evidence":
        asked = [trait.name for trait in traits if not trait.is_kind]
        what, how = f"any of {len(asked)} candidate traits", f", averaged over traits ({_least_seen(traits)})"
        if len(asked) == 1:
            what, how = asked[0], ""
        return (
            f"No evidence that {told} carry {what}, down to a strength of {power.detectable:.2f} of a teacher taught "
            f"it{how}."
        )
    smallest = f"a strength of {power.detectable:.2f}" if power.detectable else f"no strength up to {verdict.MOST:g}"
    wanted = (
        f"about {power.rows_needed:,} rows would show one of {power.floor:g}"
        if power.rows_needed
        else f"no number of such rows would show one of {power.floor:g}"
    )
    return f"Inconclusive: {told} would have shown {smallest} of a teacher taught the trait; {wanted}."


def _least_seen(traits: Sequence[TraitFinding]) -> str:
    """The trait that the rows could show least, and from which strength on."""
    worst = max((t for t in traits if not t.is_kind), key=lambda t: t.detectable or np.inf)
    at = f"from {worst.detectable:.2f} on" if worst.detectable else f"not even at {verdict.MOST:g}"
    return f"{worst.name}, the hardest, {at}"
