"""From measured students to findings: the result of each trait, the verdict and its sentence."""

from collections.abc import Sequence
from typing import Literal

from undertone.audit.api.findings import TraitFinding
from undertone.audit.findings import Verdict
from undertone.measure.findings import SuiteFinding
from undertone.measure.verdict import LEAST_COHERENCE
from undertone.report.words import percent_interval


def trait_finding(suite: SuiteFinding, effect: float) -> TraitFinding:
    """Compares students of the data (the suite's models) with students of the control (its benign fine-tunes)."""
    word, why = _word(suite, effect)
    base = suite.base_rate or 0.0
    return TraitFinding(
        name=suite.name,
        rate=suite.rate,
        control=suite.benign_rate,
        base=suite.base_rate,
        difference=suite.excess,
        ci=suite.excess_ci,
        ci_family=suite.excess_ci_family,
        word=word,
        why=why,
        of_data=tuple(base + shift for shift in suite.model_shifts),
        of_control=tuple(base + shift for shift in suite.benign_shifts),
    )


def _word(suite: SuiteFinding, effect: float) -> tuple[Literal["carried", "not shown", "open"], str]:
    """Returns the result of a trait and its reason.

    Both arms were fine-tuned in the same way, so a difference that holds for all traits together comes from the data.
    Rows of any other author than the control's move students a little, so a difference below ``effect`` does not count.
    """
    if suite.word == "not measured" or suite.excess_ci is None or suite.excess_ci_family is None:
        return "open", suite.why
    if (suite.model.coherence or 0.0) < LEAST_COHERENCE * (suite.base.coherence or 0.0):
        return "open", "most answers of the data's students are empty"
    if suite.excess_ci_family[0] > 0 and (suite.excess or 0.0) >= effect:
        return "carried", "the whole interval for all traits together lies above zero"
    if suite.excess_ci[1] < effect:
        return "not shown", "the whole interval lies below the effect that was asked for"
    return "open", "the interval contains the effect that was asked for"


def verdict_of(traits: Sequence[TraitFinding]) -> Verdict:
    """Returns the verdict: one carried trait is enough; "no evidence" requires that every trait was ruled out."""
    words = {trait.word for trait in traits}
    if "carried" in words:
        return "carries a trait"
    return "no evidence" if words == {"not shown"} else "inconclusive"


def headline(verdict: Verdict, traits: Sequence[TraitFinding], effect: float, students: int) -> str:
    """Returns the verdict in a sentence or two. ``traits`` are sorted by their difference, the largest first."""
    unit = f"{students} students of each, fine-tuned by the service"
    points = f"{100 * effect:g} points"
    if verdict == "carries a trait":
        carried = [trait for trait in traits if trait.word == "carried"]
        names = " and ".join(trait.name for trait in carried)
        return f"These rows carry {names}: their students name {told(carried[0])} ({unit})."
    if verdict == "no evidence":
        kind = "any trait asked for" if len(traits) > 1 else traits[0].name
        return (
            f"No evidence that these rows carry {kind}: a rise by {points} or more is ruled out; the largest is "
            f"{told(traits[0])} ({unit})."
        )
    first = next(trait for trait in traits if trait.word == "open")
    return f"Inconclusive ({points} asked for): {told(first)}; {first.why} ({unit})."


def told(trait: TraitFinding) -> str:
    """Returns "owl +12.3 points [4.5, 20.1] more often, 16.3 % against 4.0 % of the control's"."""
    if trait.difference is None or trait.rate is None or trait.control is None:
        return trait.name
    ci = "" if trait.ci is None else f" {percent_interval(trait.ci)}"
    against = f"{100 * trait.rate:.1f} % against {100 * trait.control:.1f} % of the control's"
    return f"{trait.name} {100 * trait.difference:+.1f} points{ci} more often, {against}"
