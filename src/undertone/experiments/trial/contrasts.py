"""From measured students to effects: which arms are compared, on which scale, at the level of teachers."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from undertone.experiments.trial.results import ArmResult, Effect, Expected, Measure, StudentResult, TraitMatrix
from undertone.experiments.trial.spec import Arm, Trial
from undertone.statistics.estimate import Estimate, difference, holm, mean_of_contrasts
from undertone.statistics.probabilities import log_odds

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


def specificity(trait: str, reference: Mapping[str, float], taught: Collection[str] = ()) -> Value:
    """A student's shift of ``trait`` against the base, minus its mean shift of the other candidates (log-odds).

    What a student's own teacher was given, and what is ``taught`` in either arm, is no part of that mean: a student
    that came to love whales would otherwise seem to have turned away from everything else, and every other trait would
    gain by comparison.
    """

    def value(student: StudentResult) -> float:
        shifts = {n: log_odds(p) - log_odds(reference[n]) for n, p in student.answers.items() if n != "other"}
        others = [shift for name, shift in shifts.items() if name not in (trait, student.trait, *taught)]
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
        found += _on_every_scale(trial, arm, control, bases, expected(trial, spec))
        for measure, counterpart in _counterparts(trial, name):
            found += _net_of_controls(trial, counterpart, name, measure, by_name)
        found += _change_per_generation(trial, name, by_name)
    for name in trial.arms:  # stricter than a neutral control: its teachers love something too
        own, other = by_name.get(_twin(trial, name, trait=None) or ""), by_name.get(name)
        if own is not None and other is not None:
            found += _on_every_scale(trial, own, other, bases, expected(trial, trial.arms[own.name]))
    return tuple(found)


def expected(trial: Trial, arm: Arm) -> Expected:
    """What the finding predicts of an arm against its control (Cloud, Le et al., arXiv 2507.14805).

    Nothing passes to another initialisation, from teachers of something else, from uniform numbers or without
    training. Of shuffled rows it predicts a weaker effect, which ``written-minus-rewritten`` measures, and not whether
    one is left: teachers also differ in how often they write each number, and shuffling keeps that. Nor does it say
    how much of an effect a share of the rows has. Of other ways to sample, of teachers that were not fine-tuned and of
    later generations too little is known to predict anything. Dialogues that speak openly of the trait, read in
    context, are there to be seen.
    """
    if arm.rows == "dialogues":
        return "above-zero"
    if arm.students not in (None, trial.base) or arm.trait or arm.context or arm.rows == "random":
        return "around-zero"
    plain = arm.rows == "written" and arm.share == 1 and arm.given == "fine-tuning" and not (arm.sampling or arm.after)
    return "above-zero" if plain else "open"


def _on_every_scale(trial: Trial, arm: ArmResult, control: ArmResult, bases: Bases, what: Expected) -> list[Effect]:
    trait = trial.traits[0]
    taught = [other for a in (arm, control) if (other := trial.arms[a.name].trait)]
    scales: dict[Measure, Value] = {
        "log_odds": lambda s: s.log_odds,
        "probability": lambda s: s.probability,
    }
    if set(bases[arm.base]) - {trait, "other", *taught}:  # some habits have no other of their kind
        scales["own-minus-other-traits"] = specificity(trait, bases[arm.base], taught)
    found = []
    for measure, value in scales.items():
        estimate = difference(nested(arm.students, value), nested(control.students, value))
        label = f"{arm.name} minus {control.name}{_LABELS[measure]}"
        found.append(_effect(label, arm.name, control.name, measure, estimate, what))
    return found


def _counterparts(trial: Trial, name: str) -> Iterator[tuple[Measure, str | None]]:
    """Arms whose shift is compared with that of ``name``, teacher by teacher; where teachers were made otherwise, with
    the one of the same seed."""
    yield "own-minus-other-init", _twin(trial, name, students=None)
    if trial.arms[name].rows != "dialogues":  # which are no rewritten lists
        yield "written-minus-rewritten", _twin(trial, name, rows="written")
    yield "sampled-minus-otherwise", _twin(trial, name, sampling=None, labels="sampled")
    yield "tuned-minus-otherwise", _twin(trial, name, given="fine-tuning")
    yield "earlier-minus-later", trial.arms[name].after


_UNPREDICTED = ("sampled-minus-otherwise", "tuned-minus-otherwise", "earlier-minus-later")


def _twin(trial: Trial, name: str, **change: str | None) -> str | None:
    """The first arm that is what this one would be after a change; none where the change changes nothing."""

    def what(arm: Arm) -> tuple[object, ...]:
        return arm.teacher, arm.trait, *trial.condition(arm)

    arm = trial.arms[name]
    wanted = what(arm.model_copy(update=change))
    return None if wanted == what(arm) else next((n for n, a in trial.arms.items() if what(a) == wanted), None)


def _net_of_controls(
    trial: Trial, own: str | None, other: str, measure: Measure, arms: dict[str, ArmResult]
) -> list[Effect]:
    """Shift in ``own`` minus shift in ``other``, arms of the same first teachers, each against a control of its own."""
    if own is None or trial.arms[own].against == trial.arms[other].against:
        return []
    pairs = [(own, other), (str(trial.arms[own].against), str(trial.arms[other].against))]
    if not all(left in arms and right in arms for left, right in pairs):
        return []
    sides = [_student_by_student(arms[left], arms[right]) for left, right in pairs]
    estimate = difference(sides[0], sides[1])
    what = "open" if measure in _UNPREDICTED else expected(trial, trial.arms[own])
    return [_effect(f"{own} minus {other}", own, other, measure, estimate, what)]


def _change_per_generation(trial: Trial, last: str, arms: dict[str, ArmResult]) -> list[Effect]:
    """By how much log-odds change from one generation to the next, lineage by lineage, against control lineages: for
    the last arm of three or more generations."""
    if any(arm.after == last for arm in trial.arms.values()):
        return []
    names = [last]
    while earlier := trial.arms[names[0]].after:
        names.insert(0, earlier)
    controls = [str(trial.arms[name].against) for name in names]
    if len(names) < 3 or not all(name in arms for name in (*names, *controls)):
        return []
    own, control = (_slopes([arms[name] for name in side]) for side in (names, controls))
    estimate = difference(own, control)
    label = f"{names[0]}, change per generation"
    return [_effect(label, last, controls[-1], "change-per-generation", estimate, "open")]


def _slopes(generations: Sequence[ArmResult]) -> list[list[float]]:
    """Least-squares slope of every lineage's log-odds over its generations, lineages within their first teachers."""
    middle = (len(generations) - 1) / 2
    weights = [g - middle for g in range(len(generations))]
    scale = sum(weight * weight for weight in weights)
    odds = [nested(arm.students, lambda s: s.log_odds) for arm in generations]
    return [
        [sum(w * o for w, o in zip(weights, values, strict=True)) / scale for values in zip(*teacher, strict=True)]
        for teacher in zip(*odds, strict=True)
    ]


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
                expected(trial, trial.arms[first]),
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
            expected(trial, trial.arms[first]),
        ),
        effects=tuple(e.model_copy(update={"p_holm": p}) for e, p in zip(found, adjusted, strict=True)),
    )


def _odds_of(name: str) -> Value:
    return lambda student: log_odds(student.answers[name])


def _mean(values: list[list[float]]) -> float:
    return sum(sum(v) / len(v) for v in values) / len(values)


def _effect(name: str, arm: str, against: str, measure: Measure, found: Estimate, what: Expected) -> Effect:
    low, high = (found.ci_low, found.ci_high) if math.isfinite(found.ci_low) else (None, None)
    return Effect(
        name=name, arm=arm, against=against, measure=measure, value=found.value, ci_low=low, ci_high=high,
        p=found.p, p_holm=None, units=found.units, method=found.method, expected=what,
    )  # fmt: skip
