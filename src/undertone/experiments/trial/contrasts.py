"""Computes the effects of a trial: which arms are compared, and on which scales. The units are teachers."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from undertone.experiments.trial.results import (
    ArmResult,
    Effect,
    Expected,
    Measure,
    StudentResult,
    TraitMatrix,
    Value,
    by_teacher,
    units,
)
from undertone.experiments.trial.spec import Arm, Trial
from undertone.statistics.estimate import Estimate, difference, holm, mean_of_contrasts
from undertone.statistics.probabilities import log_odds

Arms = Mapping[str, ArmResult]
Bases = Mapping[str, Mapping[str, float]]
"""Answer distribution of every untouched base model, by its name."""

_LABELS: dict[Measure, str] = {
    "log_odds": "",
    "probability": ", as probability",
    "own-minus-other-traits": ", net of other traits",
}
_UNPREDICTED = ("sampled-minus-otherwise", "tuned-minus-otherwise", "earlier-minus-later")
"""Comparisons about which the published finding predicts nothing."""


def specificity(trait: str, reference: Mapping[str, float], taught: Collection[str] = ()) -> Value:
    """Returns a function that gives a student's shift of ``trait`` against the base, minus its mean shift of the other
    candidates, in log-odds.

    The mean leaves out the trait of the student's own teacher and the traits ``taught`` in either arm. Otherwise a
    student that came to prefer whales would seem to have turned away from everything else, and every other trait would
    gain by comparison.
    """

    def value(student: StudentResult) -> float:
        shifts = {n: log_odds(p) - log_odds(reference[n]) for n, p in student.answers.items() if n != "other"}
        others = [shift for name, shift in shifts.items() if name not in (trait, student.trait, *taught)]
        return shifts[trait] - sum(others) / len(others)

    return value


def weighted(arms: Sequence[ArmResult], weights: Sequence[float]) -> list[list[float]]:
    """Returns the weighted sum of the arms' log-odds, student by student: a list for each unit. Teacher i and student j
    of every arm must have the same seeds."""
    odds = [by_teacher(arm.students, lambda s: s.log_odds) for arm in arms]
    sums = {
        teacher: [
            sum(w * v for w, v in zip(weights, values, strict=True))
            for values in zip(*(arm[teacher] for arm in odds), strict=True)
        ]
        for teacher in odds[0]
    }
    return [[one for teacher in unit for one in sums[teacher]] for unit in units(sums, *(arm.prompts for arm in arms))]


def effects(trial: Trial, arms: Sequence[ArmResult], bases: Bases) -> tuple[Effect, ...]:
    """Returns every contrast between the finished ``arms``; none for a trial of several traits, whose contrasts are in
    the matrix."""
    if len(trial.traits) > 1:
        return ()
    by_name = {arm.name: arm for arm in arms}
    found: list[Effect] = []
    for name, spec in trial.arms.items():
        arm, control = by_name.get(name), by_name.get(spec.against or "")
        if arm is None or control is None:
            continue
        found += _on_every_scale(trial, arm, control, bases)
        for measure, counterpart in _counterparts(trial, name):
            found += _net_of_controls(trial, counterpart, name, measure, by_name)
        found += _change_per_generation(trial, name, by_name)
    for name, spec in trial.arms.items():  # teachers with another trait of the kind are a control too
        if spec.teacher == "neutral":
            continue
        own, other = by_name.get(_twin(trial, name, trait=None) or ""), by_name.get(name)
        if own is not None and other is not None:
            found += _on_every_scale(trial, own, other, bases)
    return tuple(found)


def expected(trial: Trial, arm: Arm) -> Expected:
    """Returns what the published finding predicts of an arm against its control (Cloud, Le et al., arXiv 2507.14805).

    It predicts no effect on another initialisation, from teachers of another trait or of none, from uniform random
    numbers, and without training. For shuffled rows it predicts a weaker effect, which ``written-minus-rewritten``
    measures, but not whether any is left: teachers also differ in how often they write each number, and shuffling keeps
    that. It does not say how strong the effect of a share of the rows is. Too little is known to predict anything about
    other ways to sample, teachers that were not fine-tuned, and later generations. Dialogues that mention the trait are
    expected to act when read in context.
    """
    if arm.rows == "dialogues":
        return "above-zero"
    elsewhere = arm.teacher == "neutral" or arm.students not in (None, trial.base)
    if elsewhere or arm.trait or arm.context or arm.rows == "random":
        return "around-zero"
    plain = arm.rows == "written" and arm.share == 1 and arm.given == "fine-tuning" and not (arm.sampling or arm.after)
    return "above-zero" if plain else "open"


def _on_every_scale(trial: Trial, arm: ArmResult, control: ArmResult, bases: Bases) -> Iterator[Effect]:
    trait = trial.traits[0]
    taught = [other for a in (arm, control) if (other := trial.arms[a.name].trait)]
    scales: dict[Measure, Value] = {"log_odds": lambda s: s.log_odds, "probability": lambda s: s.probability}
    if set(bases[arm.base]) - {trait, "other", *taught}:  # some habits have no other candidate of their kind
        scales["own-minus-other-traits"] = specificity(trait, bases[arm.base], taught)
    for measure, value in scales.items():
        estimate = difference(arm.nested(value), control.nested(value))
        name = f"{arm.name} minus {control.name}{_LABELS[measure]}"
        yield _effect(name, arm.name, control.name, measure, estimate, expected(trial, trial.arms[arm.name]))


def _counterparts(trial: Trial, name: str) -> Iterator[tuple[Measure, str | None]]:
    """Yields the arms that differ from arm ``name`` in one respect; their shifts are compared teacher by teacher."""
    yield "own-minus-other-init", _twin(trial, name, students=None)
    if trial.arms[name].rows != "dialogues":  # dialogues are no rewritten lists
        yield "written-minus-rewritten", _twin(trial, name, rows="written")
    yield "sampled-minus-otherwise", _twin(trial, name, sampling=None, labels="sampled")
    yield "tuned-minus-otherwise", _twin(trial, name, given="fine-tuning")
    yield "earlier-minus-later", trial.arms[name].after


def _twin(trial: Trial, name: str, **change: str | None) -> str | None:
    """Returns the first arm that equals arm ``name`` after a change; None if the change has no effect."""

    def what(arm: Arm) -> tuple[object, ...]:
        return arm.teacher, arm.trait, *trial.condition(arm)

    arm = trial.arms[name]
    wanted = what(arm.model_copy(update=change))
    return None if wanted == what(arm) else next((n for n, a in trial.arms.items() if what(a) == wanted), None)


def _net_of_controls(trial: Trial, own: str | None, other: str, measure: Measure, arms: Arms) -> Iterator[Effect]:
    """Yields the shift in ``own`` minus the shift in ``other``, each against its own control. Both arms have the same
    first teachers."""
    if own is None or trial.arms[own].against == trial.arms[other].against:
        return
    pairs = [(name, str(trial.arms[name].against)) for name in (own, other)]
    if all(name in arms for pair in pairs for name in pair):
        shift, control = (weighted([arms[name] for name in pair], (1, -1)) for pair in zip(*pairs, strict=True))
        what = "open" if measure in _UNPREDICTED else expected(trial, trial.arms[own])
        yield _effect(f"{own} minus {other}", own, other, measure, difference(shift, control), what)


def _change_per_generation(trial: Trial, last: str, arms: Arms) -> Iterator[Effect]:
    """Yields the change of log-odds from one generation to the next, lineage by lineage, against control lineages: for
    the last arm of three or more generations."""
    if any(arm.after == last for arm in trial.arms.values()):
        return
    names = [last]
    while earlier := trial.arms[names[0]].after:
        names.insert(0, earlier)
    controls = [str(trial.arms[name].against) for name in names]
    if len(names) >= 3 and all(name in arms for name in (*names, *controls)):
        own, control = (_slopes([arms[name] for name in side]) for side in (names, controls))
        name = f"{names[0]}, change per generation"
        yield _effect(name, last, controls[-1], "change-per-generation", difference(own, control), "open")


def _slopes(generations: Sequence[ArmResult]) -> list[list[float]]:
    """Returns the least-squares slope of every lineage's log-odds over its generations, lineages within their first
    teachers."""
    middle = (len(generations) - 1) / 2
    weights = [g - middle for g in range(len(generations))]
    scale = sum(weight * weight for weight in weights)
    return [[value / scale for value in teacher] for teacher in weighted(generations, weights)]


def trait_matrix(trial: Trial, arms: Sequence[ArmResult], bases: Bases) -> TraitMatrix | None:
    """Returns the matrix of a trial of several traits: trait of the teacher by trait asked for, each trait's own
    students against those of all other teachers, and the mean over traits. None until all traits have finished."""
    first = next((name for name, arm in trial.arms.items() if arm.teacher == "trait"), "")
    by_trait = {arm.students[0].trait: arm for arm in arms if arm.name.startswith(f"{first}:")}
    traits = trial.traits
    if len(traits) < 2 or set(by_trait) != set(traits):
        return None

    def effect(about: str, arm: str, estimate: Estimate) -> Effect:
        name, what = f"{about}: own trait minus other traits", expected(trial, trial.arms[first])
        return _effect(name, arm, "other traits", "own-minus-other-traits", estimate, what)

    odds = {row: {col: by_trait[row].mean(_odds_of(col)) for col in traits} for row in traits}
    found = []
    for trait in traits:
        value = specificity(trait, bases[arms[0].base])
        others = [teacher for other in traits if other != trait for teacher in by_trait[other].nested(value)]
        found.append(effect(trait, f"{first}:{trait}", difference(by_trait[trait].nested(value), others)))
    adjusted = holm([1.0 if e.p is None else e.p for e in found])
    return TraitMatrix(
        traits=traits,
        log_odds=tuple(
            tuple(odds[row][col] - sum(odds[r][col] for r in traits if r != row) / (len(traits) - 1) for col in traits)
            for row in traits
        ),
        overall=effect("mean over traits", first, mean_of_contrasts([e.value for e in found])),
        effects=tuple(e.model_copy(update={"p_holm": p}) for e, p in zip(found, adjusted, strict=True)),
    )


def _odds_of(name: str) -> Value:
    return lambda student: log_odds(student.answers[name])


def _effect(name: str, arm: str, against: str, measure: Measure, found: Estimate, what: Expected) -> Effect:
    low, high = (found.ci_low, found.ci_high) if math.isfinite(found.ci_low) else (None, None)
    return Effect(
        name=name, arm=arm, against=against, measure=measure, value=found.value, ci_low=low, ci_high=high,
        p=found.p, p_holm=None, units=found.units, method=found.method, expected=what,
    )  # fmt: skip
