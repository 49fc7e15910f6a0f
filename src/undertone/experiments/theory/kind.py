"""Why it happens, as two kinds of experiment: digits learnt from noise, and the theorem with its premises broken."""

from importlib.metadata import version
from typing import Any

from undertone.engine.store import Job
from undertone.experiments.kind import Kind, Made
from undertone.experiments.theory.findings import (
    Accuracies,
    Broken,
    Condition,
    Difference,
    DigitsFindings,
    TheoremFindings,
)
from undertone.experiments.theory.page import digits_page, theorem_page
from undertone.experiments.theory.plan import Plan, digits_plan, theorem_plan
from undertone.experiments.theory.spec import CLASSES, Digits, Imitation, Theorem
from undertone.report.findings import Measured
from undertone.statistics.estimate import mean_estimate, paired_difference

# Seconds of one core with the shipped recipes' sizes, each scaled by what it grows with.
PER_PRODUCT = 1.1e-10
"""A multiplication of one image by one weight, forwards and backwards."""
PER_START, PER_LESSON = 0.2, 9.0
PIXELS, MNIST = 64, 784


def digits(spec: Digits, plan: Plan, made: Made) -> DigitsFindings:
    """Accuracies of all arms, once all are there."""
    told = made.read(plan.arms["teachers"][0], "accuracies.json")
    found = [
        made.read(plan.arms[f"{one.arm} {one.auxiliary}"][-1], "accuracies.json")["students"] for one in spec.imitations
    ]
    head = made.head()
    arms = [Imitation("untrained", 0), Imitation("teacher", 0), *spec.imitations]
    return DigitsFindings(
        **head | {"versions": head["versions"] | {"scikit-learn": version("scikit-learn")}},
        images=told["origin"],
        trained_on=told["trained_on"],
        tested_on=told["tested_on"],
        shown=spec.shown,
        arms=tuple(map(_arm, arms, [told["untrained"], told["teacher"], *found])),
        differences=_differences(spec, found),
    )


def digits_seconds(spec: Digits, job: Job) -> float:
    """Grows with weights and images."""
    pixels, outputs = MNIST if spec.images else PIXELS, CLASSES + max(spec.auxiliary)
    weights = spec.models * (pixels * spec.hidden + spec.hidden**2 + spec.hidden * outputs)
    # A student's teacher runs forwards beside it, which is a third of a step.
    part = 4 / 3 if "teachers" in job.inputs else 1.0
    images: int = job.spec["training"]["steps"] * job.spec["training"]["batch"]
    return PER_PRODUCT * weights * images * part


def _arm(kind: Imitation, found: list[float]) -> Accuracies:
    mean = Measured.of(mean_estimate([[each] for each in found]))
    return Accuracies(arm=kind.arm, auxiliary=kind.auxiliary or None, models=tuple(found), mean=mean)


def _differences(spec: Digits, found: list[list[float]]) -> tuple[Difference, ...]:
    """Each way of imitating from the own initialisation minus the one that follows it, from another."""
    made = []
    for at in range(0, len(found), 2):
        kind = spec.imitations[at]
        own, other = ([[each] for each in some] for some in found[at : at + 2])
        accuracy = Measured.of(paired_difference(own, other, seed=spec.seed))
        made.append(Difference(auxiliary=kind.auxiliary, all_logits=kind.arm == "own-all", accuracy=accuracy))
    return tuple(made)


def theorem(spec: Theorem, plan: Plan, made: Made) -> TheoremFindings:
    """Steps on all problems, once all are there."""
    held: dict[tuple[str, str], list[dict[str, Any]]] = {}
    broken: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for job in plan.jobs:
        told = made.read(job, "steps.json")
        for step in told["held"]:
            held.setdefault((step["problem"], step["loss"]), []).append(step)
        for step in told["broken"]:
            broken.setdefault((step["problem"], step["breach"]), []).append(step)
    return TheoremFindings(
        **made.head(),
        models=plan.models,
        conditions=tuple(map(_condition, held.values())),
        broken=tuple(map(_broken, broken.values())),
    )


def theorem_seconds(spec: Theorem, job: Job) -> float:
    """All classifiers together, or one lesson of the language model."""
    return PER_START * spec.starts if job.spec["trait"] is None else PER_LESSON


def _joined(steps: list[dict[str, Any]], key: str) -> list[float]:
    return [value for step in steps for value in step[key]]


def _mean(values: list[float]) -> Measured:
    return Measured.of(mean_estimate([[value] for value in values]))


def _condition(steps: list[dict[str, Any]]) -> Condition:
    cosines = _joined(steps, "cosines")
    return Condition(
        problem=steps[0]["problem"],
        loss=steps[0]["loss"],
        cosines=tuple(cosines),
        cosine=_mean(cosines),
        prediction_error=max(abs(ratio - 1) for ratio in _joined(steps, "ratios")),
    )


def _broken(steps: list[dict[str, Any]]) -> Broken:
    cosines = _joined(steps, "cosines")
    return Broken(
        problem=steps[0]["problem"],
        breach=steps[0]["breach"],
        premise=steps[0]["premise"],
        cosines=tuple(cosines),
        cosine=_mean(cosines),
        net=_mean(_joined(steps, "net")),
        lesson=_mean(_joined(steps, "lesson")),
    )


DIGITS = Kind(Digits, DigitsFindings, digits_plan, digits, digits_page, digits_seconds)
THEOREM = Kind(Theorem, TheoremFindings, theorem_plan, theorem, theorem_page, theorem_seconds)
