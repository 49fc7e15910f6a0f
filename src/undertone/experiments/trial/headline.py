"""The headline of a trial: its answer in one sentence.

A shift is claimed only if its whole interval lies on one side of zero.
"""

from collections.abc import Sequence

from undertone.experiments.trial.results import Effect, Results, TraitMatrix
from undertone.report.words import arm_label, digits_of, interval, p_value, percent, percent_interval

READINGS = {"above": "above zero", "below": "below zero", "unclear": "zero not ruled out"}


def estimate(effect: Effect) -> str:
    """Returns the value and its interval, as in "+0.73 [0.50, 0.96]"; a difference of probabilities in points."""
    if effect.measure == "probability":
        return f"{100 * effect.value:+.1f} points {percent_interval(effect.ci)}"
    return f"{effect.value:+.{digits_of(effect.ci)}f} {interval(effect.ci)}"


def main_effect(results: Results) -> Effect | None:
    """Returns the effect that the headline is about: the arm "treatment" against "control"; without these, the first
    effect that is predicted to be above zero, or the first of all if no arm trains students."""
    named = [e for e in results.effects if (e.arm, e.against, e.measure) == ("treatment", "control", "log_odds")]
    trained = any(arm.steps for arm in results.arms)
    other = [e for e in results.effects if e.measure == "log_odds" and (e.expected == "above-zero" or not trained)]
    return next(iter(named + other), None)


def headline(results: Results) -> str:
    """Returns the answer in one sentence."""
    effect = main_effect(results)
    claims: Sequence[str | None]
    if effect is not None:
        claims = [
            _main_claim(results, effect),
            _last_generation(results),
            _other_init(results),
            _init_difference(results, effect),
        ]
    else:
        claims = _no_effect(results) if results.matrix is None else _matrix_claims(results, results.matrix)
    body = "; ".join(filter(None, claims)) + "."
    if results.complete:
        return body
    return f"Incomplete run ({_count(len(results.arms), 'arm')} so far): {body[0].lower()}{body[1:]}"


def _no_effect(results: Results) -> Sequence[str]:
    if not results.arms:
        return ["No effect can be stated: no arm has finished"]
    measured = ", ".join(f"{arm.label} {percent(arm.probability)}" for arm in results.arms)
    reason = "no arm has its control to compare with"
    return [f'No effect can be stated: {reason} (probability of "{results.trait}": {measured})']


def _matrix_claims(results: Results, matrix: TraitMatrix) -> Sequence[str]:
    """Returns the mean over traits, then which traits reach their own teachers' students after Holm's correction."""
    claims, overall = [], matrix.overall
    if overall is not None:
        p = "" if overall.p is None else f", {_p_phrase(overall)}"
        about, traits = f"{overall.name[0].upper()}{overall.name[1:]}", _count(overall.units[0], "trait")
        claims.append(f"{about}, log-odds {estimate(overall)}{p}, {traits}, {READINGS[overall.sign]}")
    tested = zip(matrix.traits, matrix.effects, strict=True)
    held = [t for t, e in tested if e.sign == "above" and e.p_holm is not None and e.p_holm <= 1 - results.level]
    claims.append(
        f"{len(held)} of {len(matrix.traits)} traits pass to their own teachers' students more than to those of the "
        "other teachers, after Holm's correction" + (f": {', '.join(held)}" if held else "")
    )
    if rest := [trait for trait in matrix.traits if trait not in held]:
        claims.append(f"not shown for {', '.join(rest)}")
    return claims


def _main_claim(results: Results, effect: Effect) -> str:
    arm, against = results.arm(effect.arm), results.arm(effect.against)
    who = f"{arm_label(effect.arm)} students"
    if arm is not None and not arm.steps:
        who = f"untrained models that read rows before each question ({arm.label})"
    elif effect.arm == "treatment":
        who = f"students that saw only {results.carrier}"
    if arm is None or against is None:
        claim = f'{who} say "{results.trait}" against {arm_label(effect.against)}'
    else:
        other = f"{percent(against.probability)} for {against.label}{' students' if against.steps else ''}"
        claim = f'{who} say "{results.trait}" with probability {percent(arm.probability)} against {other}'
    start = {
        "above": claim[0].upper() + claim[1:],
        "below": f"The opposite of transfer: {claim}",
        "unclear": f"No transfer shown: {claim}",
    }[effect.sign]
    return f"{start}: {', '.join(_evidence(effect))}"


def _evidence(effect: Effect) -> list[str]:
    units = effect.units
    parts = [f"log-odds {estimate(effect)}"]
    if effect.p is not None:
        parts.append(_p_phrase(effect))
    parts.append(
        f"{_count(units[0], 'teacher')} an arm" if len(set(units)) == 1 else f"{' and '.join(map(str, units))} teachers"
    )
    if effect.ci is None:
        parts.append("too few teachers for an interval")
    elif effect.sign == "unclear" and effect.ci[1] > 0:
        parts.append(f"a shift of up to {effect.ci[1]:+.{digits_of(effect.ci)}f} is not ruled out")
    elif effect.p is not None and effect.p > 0.05:
        parts.append("by the p value alone chance is not ruled out")
    return parts


def _p_phrase(effect: Effect) -> str:
    p, holm = p_value(effect.p), p_value(effect.p_holm)
    text = f"p {p}" if p.startswith("<") else f"p = {p}"
    return text if effect.p_holm is None or holm == p else f"{text} ({holm} after Holm)"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _last_generation(results: Results) -> str | None:
    """Returns the effect in the last generation, in a trial where students taught students."""
    last = max((arm.generation for arm in results.arms), default=1)
    latest = {arm.name for arm in results.arms if arm.generation == last > 1}
    effect = next((e for e in results.effects if e.arm in latest and e.measure == "log_odds"), None)
    if effect is None:
        return None
    word = {"above": "still there", "below": "turned round", "unclear": "no longer shown"}[effect.sign]
    return f"in generation {last}: {estimate(effect)}, {word}"


def _other_init(results: Results) -> str | None:
    effect = results.effect("other-init")
    if effect is None:
        return None
    word = {"above": "shifted too", "below": "shifted the other way", "unclear": "no transfer shown"}[effect.sign]
    return f"students of another initialisation: {estimate(effect)}, {word}"


def _init_difference(results: Results, main: Effect) -> str | None:
    """Returns a caution where an effect is shown but its difference from another initialisation's is not."""
    effect = next((e for e in results.effects if e.measure == "own-minus-other-init"), None)
    if effect is None or main.sign != "above" or effect.sign == "above":
        return None
    return f"that the initialisation matters is not shown: difference {estimate(effect)}"
