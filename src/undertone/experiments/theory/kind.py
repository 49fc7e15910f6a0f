"""The experiments on the theory as two kinds: digits learnt from noise, and the theorem with its premises broken."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from undertone.experiments.kind import Kind, Made
from undertone.experiments.theory import findings as found
from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.experiments.theory.plan import Plan, digits_plan, theorem_plan
from undertone.experiments.theory.spec import Digits, Imitation, Theorem
from undertone.report.findings import Measured
from undertone.statistics.estimate import mean_estimate, paired_difference


def digits(spec: Digits, plan: Plan, made: Made) -> DigitsFindings:
    """Computes the accuracies of all arms, and their differences."""
    first = made.read(plan.arms["teachers"][0], "accuracies.json")
    arms = {Imitation("untrained", 0): first["untrained"], Imitation("teacher", 0): first["teacher"]}
    for kind in spec.imitations:
        arms[kind] = made.read(plan.arms[f"{kind.arm} {kind.auxiliary}"][-1], "accuracies.json")["students"]
    head = made.head()
    return DigitsFindings(
        **head | {"versions": head["versions"] | {"scikit-learn": version("scikit-learn")}},
        images=first["origin"],
        trained_on=first["trained_on"],
        tested_on=first["tested_on"],
        shown=spec.shown,
        arms=tuple(
            found.Accuracies(arm=kind.arm, auxiliary=kind.auxiliary or None, models=models, mean=_mean(models))
            for kind, models in arms.items()
        ),
        differences=tuple(
            found.Difference(
                auxiliary=own.auxiliary,
                all_logits=own.arm == "own-all",
                accuracy=Measured.of(paired_difference(_nested(arms[own]), _nested(arms[other]), seed=spec.seed)),
            )
            for own, other in zip(spec.imitations[::2], spec.imitations[1::2], strict=True)
        ),
    )


def theorem(spec: Theorem, plan: Plan, made: Made) -> TheoremFindings:
    """Collects the steps on all problems."""
    jobs = [made.read(job, "steps.json") for job in plan.jobs]
    return TheoremFindings(
        **made.head(),
        models=plan.models,
        conditions=tuple(
            found.Condition(
                **_cosines(steps, "problem", "loss"),
                prediction_error=max(abs(ratio - 1) for ratio in steps["ratios"]),
            )
            for steps in _joined((step for job in jobs for step in job["held"]), "loss")
        ),
        broken=tuple(
            found.Broken(
                **_cosines(steps, "problem", "breach", "premise"),
                net=_mean(steps["net"]),
                lesson=_mean(steps["lesson"]),
            )
            for steps in _joined((step for job in jobs for step in job["broken"]), "breach")
        ),
    )


def _cosines(steps: dict[str, Any], *names: str) -> dict[str, Any]:
    """Returns these entries of the steps, and the cosines with their mean."""
    return {name: steps[name] for name in names} | {"cosines": steps["cosines"], "cosine": _mean(steps["cosines"])}


def _joined(steps: Iterable[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Concatenates the lists of all steps with the same problem and the same value of ``by``."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for step in steps:
        own = groups.setdefault((step["problem"], step[by]), {})
        for key, value in step.items():
            own[key] = own.get(key, []) + value if isinstance(value, list) else value
    return list(groups.values())


def _nested(values: list[float]) -> list[list[float]]:
    return [[value] for value in values]


def _mean(values: list[float]) -> Measured:
    return Measured.of(mean_estimate(_nested(values)))


DIGITS = Kind(Digits, DigitsFindings, digits_plan, digits)
THEOREM = Kind(Theorem, TheoremFindings, theorem_plan, theorem)
