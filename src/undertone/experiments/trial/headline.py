"""The answer of a trial in one sentence.

The interval decides what may be said: a shift is claimed only when all of it lies on one side of zero.
"""

from collections.abc import Iterable

from undertone.experiments.trial.results import ArmResult, Effect, Results, TraitMatrix
from undertone.report.words import digits_of, interval, p_value, percent, percent_interval

READINGS = {"above": "above zero", "below": "below zero", "unclear": "zero not ruled out"}


def estimate(effect: Effect) -> str:
    """+0.73 [0.50, 0.96], in points when the effect is a difference of probabilities."""
    if effect.measure == "probability":
        return f"{100 * effect.value:+.1f} points {percent_interval(effect.ci)}"
    return f"{effect.value:+.{digits_of(effect.ci)}f} {interval(effect.ci)}"


def main_effect(results: Results) -> Effect | None:
    """What the headline is about: treatment against control, else the first that should be above zero, of trained
    students if there are any."""
    named = [e for e in results.effects if (e.arm, e.against, e.measure) == ("treatment", "control", "log_odds")]
    trained = any(arm.steps for arm in results.arms)
    other = [e for e in results.effects if e.measure == "log_odds" and (e.expected == "above-zero" or not trained)]
    return next(iter(named + other), None)


def headline(results: Results) -> str:
    """One honest sentence made of the effects."""
    effect = main_effect(results)
    start = "" if results.complete else f"Incomplete run ({_count(len(results.arms), 'arm')} so far): "
    if effect is not None:
        body = _sentence(results, effect)
    else:
        body = _no_effect(results) if results.matrix is None else _matrix_claim(results, results.matrix)
    return start + (body[0].lower() + body[1:] if start else body) + "."


def _no_effect(results: Results) -> str:
    if not results.arms:
        return "No effect can be stated: no arm has finished"
    seen = ", ".join(f"{arm.name} {percent(arm.probability)}" for arm in results.arms)
    reason = "no arm has its control to compare with"
    return f'No effect can be stated: {reason} (probability of "{results.trait}": {seen})'


def _matrix_claim(results: Results, matrix: TraitMatrix) -> str:
    """The mean over traits, then which reach their own teachers' students more than all other teachers', after Holm."""
    tested = list(zip(matrix.traits, matrix.effects, strict=True))
    held = [
        trait for trait, e in tested if e.sign == "above" and e.p_holm is not None and e.p_holm <= 1 - results.level
    ]
    rest = [trait for trait in matrix.traits if trait not in held]
    claims = (
        _overall(matrix.overall),
        f"{len(held)} of {len(matrix.traits)} traits pass to their own teachers' students more than to those of the "
        "other teachers, after Holm's correction" + (f": {', '.join(held)}" if held else ""),
        f"not shown for {', '.join(rest)}" if rest else None,
    )
    return "; ".join(_present(claims))


def _overall(effect: Effect | None) -> str | None:
    if effect is None:
        return None
    p = "" if effect.p is None else f", {_p_phrase(effect.p, effect.p_holm)}"
    traits = _count(effect.units[0], "trait")
    return (
        f"{effect.name[0].upper()}{effect.name[1:]}, log-odds {estimate(effect)}{p}, {traits}, {READINGS[effect.sign]}"
    )


def _sentence(results: Results, effect: Effect) -> str:
    claims = (
        _main_claim(results, effect),
        _last_generation(results),
        _other_init(results),
        _init_difference(results, effect),
    )
    return "; ".join(_present(claims))


def _present(parts: Iterable[str | None]) -> list[str]:
    return [part for part in parts if part]


def _main_claim(results: Results, effect: Effect) -> str:
    arm = results.arm(effect.arm)
    who = f"students that saw only {results.carrier}" if effect.arm == "treatment" else f"{effect.arm} students"
    if arm is not None and not arm.steps:
        who = f"untrained models that read rows before each question ({effect.arm})"
    seen = f"{who} say{_seen(results, effect)}"
    start = {
        "above": seen[0].upper() + seen[1:],
        "below": f"The opposite of transfer: {seen}",
        "unclear": f"No transfer shown: {seen}",
    }[effect.sign]
    return f"{start}: {', '.join(_evidence(effect))}"


def _seen(results: Results, effect: Effect) -> str:
    arm, against = results.arm(effect.arm), results.arm(effect.against)
    if arm is None or against is None:
        return f' "{results.trait}" against {effect.against}'
    low = "control" if effect.against == "control" else effect.against
    return f' "{results.trait}" with probability {percent(arm.probability)} against {_of(against, low)}'


def _of(arm: ArmResult, name: str) -> str:
    return f"{percent(arm.probability)} for {name}{' students' if arm.steps else ''}"


def _evidence(effect: Effect) -> list[str]:
    parts = [f"log-odds {estimate(effect)}"]
    if effect.p is not None:
        parts.append(_p_phrase(effect.p, effect.p_holm))
    parts.append(_units(effect.units))
    if effect.ci is None:
        parts.append("too few teachers for an interval")
    elif effect.sign == "unclear" and effect.ci[1] > 0:
        parts.append(f"a shift of up to {effect.ci[1]:+.{digits_of(effect.ci)}f} is not ruled out")
    elif effect.p is not None and effect.p > 0.05:
        parts.append("by the p value alone chance is not ruled out")
    return parts


def _p_phrase(p: float, p_holm: float | None) -> str:
    text = f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"
    return text if p_holm is None or p_value(p_holm) == p_value(p) else f"{text} ({p_value(p_holm)} after Holm)"


def _units(units: tuple[int, ...]) -> str:
    if len(set(units)) == 1:
        return f"{_count(units[0], 'teacher')} an arm"
    return " and ".join(str(n) for n in units) + " teachers"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _last_generation(results: Results) -> str | None:
    """Where students taught students, what is left in the last ones."""
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
    """Shown in one arm and not in the other is not yet a difference between the two: say when it is open."""
    effect = next((e for e in results.effects if e.measure == "own-minus-other-init"), None)
    if effect is None or main.sign != "above" or effect.sign == "above":
        return None
    return f"that the initialisation matters is not shown: difference {estimate(effect)}"
