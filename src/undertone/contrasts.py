"""From measured students to effects: which arms are compared, on which scale, at the level of teachers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from undertone.report.results import ArmResult, Effect, Measure, StudentResult, TraitMatrix
from undertone.specs import Trial
from undertone.statistics import difference, holm, log_odds, mean_of_contrasts
from undertone.statistics.estimate import Estimate

Value = Callable[[StudentResult], float]
Bases = Mapping[str, Mapping[str, float]]
"""Answer distribution of every untouched base model, by its name."""

_LABELS: dict[Measure, str] = {
    "log_odds": "",
    "probability": ", as probability",
    "own-minus-other-traits": ", net of other traits",
}


def nested(students: Sequence[StudentResult], value: Value) -> list[list[float]]:
    """``value`` of every student, students within their teachers, teachers in order."""
    teachers = sorted({s.teacher for s in students})
    return [[value(s) for s in students if s.teacher == t] for t in teachers]


def specificity(trait: str, reference: Mapping[str, float]) -> Value:
    """A student's shift of ``trait`` against the base, minus its mean shift of the other candidates (log-odds).

    The trait that the student's own teacher was given is no part of that mean: a student that came to love whales would
    otherwise seem to have turned away from everything else, and every other trait would gain by comparison.
    """

    def value(student: StudentResult) -> float:
        shifts = {n: log_odds(p) - log_odds(reference[n]) for n, p in student.answers.items() if n != "other"}
        others = [shift for name, shift in shifts.items() if name not in (trait, student.trait)]
        return shifts[trait] - sum(others) / len(others)

    return value


def effects(trial: Trial, arms: Sequence[ArmResult], bases: Bases) -> tuple[Effect, ...]:
    """Every contrast that the finished ``arms`` allow. A trial of several traits has its contrasts in the matrix."""
    if len(trial.traits) > 1:
        return ()
    by_name = {arm.name: arm for arm in arms}
    found: list[Effect] = []
    for name, spec in trial.arms.items():
        arm, control = by_name.get(name), by_name.get(spec.against or "")
        if arm is None or control is None:
            continue
        own = spec.students in (None, trial.base)
        for measure, value in _scales(trial.traits[0], bases[arm.base]).items():
            estimate = difference(nested(arm.students, value), nested(control.students, value))
            label = f"{name} minus {control.name}{_LABELS[measure]}"
            found.append(_effect(label, name, control.name, measure, estimate, own))
        if not own:
            found += _own_minus_other(trial, name, by_name)
    return tuple(found)


def _scales(trait: str, reference: Mapping[str, float]) -> dict[Measure, Value]:
    return {
        "log_odds": lambda s: s.log_odds,
        "probability": lambda s: s.probability,
        "own-minus-other-traits": specificity(trait, reference),
    }


def _own_minus_other(trial: Trial, other: str, arms: dict[str, ArmResult]) -> list[Effect]:
    """Shift of own-initialisation students minus shift of other-initialisation students of the very same datasets."""
    labels = trial.arms[other].labels
    own = next(
        (
            n
            for n, a in trial.arms.items()
            if a.teacher == "trait" and a.labels == labels and a.students in (None, trial.base)
        ),
        None,
    )
    if own is None:
        return []
    pairs = [(own, other), (str(trial.arms[own].against), str(trial.arms[other].against))]
    if not all(left in arms and right in arms for left, right in pairs):
        return []
    sides = [_student_by_student(arms[left], arms[right]) for left, right in pairs]
    estimate = difference(sides[0], sides[1])
    return [_effect(f"{own} minus {other}", own, other, "own-minus-other-init", estimate, True)]


def _student_by_student(left: ArmResult, right: ArmResult) -> list[list[float]]:
    """Log-odds in ``left`` minus those in ``right``, for students of the same teacher and the same seed."""
    both = zip(nested(left.students, lambda s: s.log_odds), nested(right.students, lambda s: s.log_odds), strict=True)
    return [[a - b for a, b in zip(x, y, strict=True)] for x, y in both]


def trait_matrix(trial: Trial, arms: Sequence[ArmResult], bases: Bases) -> TraitMatrix | None:
    """Trait of the teacher x trait asked for, each own trait against the teachers of all others, and their mean."""
    first = next(name for name, arm in trial.arms.items() if arm.teacher == "trait")
    by_trait = {s.trait: arm.students for arm in arms if arm.name.startswith(f"{first}:") for s in arm.students[:1]}
    if len(trial.traits) < 2 or set(by_trait) != set(trial.traits):
        return None
    traits, reference = trial.traits, bases[arms[0].base]
    odds = {row: {col: _mean(nested(by_trait[row], _odds_of(col))) for col in traits} for row in traits}
    shifts = tuple(
        tuple(odds[row][col] - sum(odds[r][col] for r in traits if r != row) / (len(traits) - 1) for col in traits)
        for row in traits
    )
    found = []
    for trait in traits:
        own = nested(by_trait[trait], specificity(trait, reference))
        others = [
            teacher for t in traits if t != trait for teacher in nested(by_trait[t], specificity(trait, reference))
        ]
        found.append(
            _effect(
                f"{trait}: own trait minus other traits",
                f"treatment:{trait}",
                "other traits",
                "own-minus-other-traits",
                difference(own, others),
                True,
            )
        )
    overall = mean_of_contrasts([e.value for e in found])
    adjusted = holm([e.p if e.p is not None else 1.0 for e in found])
    return TraitMatrix(
        traits=traits,
        log_odds=shifts,
        overall=_effect(
            "mean over traits: own trait minus other traits",
            first,
            "other traits",
            "own-minus-other-traits",
            overall,
            True,
        ),
        effects=tuple(e.model_copy(update={"p_holm": p}) for e, p in zip(found, adjusted, strict=True)),
    )


def _odds_of(name: str) -> Value:
    return lambda student: log_odds(student.answers[name])


def _mean(values: list[list[float]]) -> float:
    return sum(sum(v) / len(v) for v in values) / len(values)


def _effect(name: str, arm: str, against: str, measure: Measure, found: Estimate, above: bool) -> Effect:
    expected: Literal["above-zero", "around-zero"] = "above-zero" if above else "around-zero"
    low, high = (found.ci_low, found.ci_high) if math.isfinite(found.ci_low) else (None, None)
    return Effect(
        name=name, arm=arm, against=against, measure=measure, value=found.value, ci_low=low, ci_high=high,
        p=found.p, p_holm=None, units=found.units, method=found.method, expected=expected,
    )  # fmt: skip
