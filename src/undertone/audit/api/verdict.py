"""Findings from measured students: a line for every trait, the verdict and its sentence."""

from collections.abc import Sequence
from typing import Literal

from undertone.audit.api.findings import TraitFinding
from undertone.audit.findings import Verdict
from undertone.measure.findings import SuiteFinding
from undertone.measure.verdict import LEAST_COHERENCE


def trait_finding(suite: SuiteFinding, effect: float) -> TraitFinding:
    """What students of the data (the suite's models) do beyond the control's (its benign fine-tunes)."""
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
    """Both arms were fine-tuned alike, so a difference that holds for all traits together is the data's. Rows of any
    other author than the control's move students a little, so one smaller than the effect asked for names nothing.
    "Not shown" must have ruled that effect out."""
    if suite.word == "not measured" or suite.excess_ci is None or suite.excess_ci_family is None:
        return "open", suite.why
    if (suite.model.coherence or 0.0) < LEAST_COHERENCE * (suite.base.coherence or 0.0):
        return "open", "most answers of the data's students are empty"
    if suite.excess_ci_family[0] > 0 and (suite.excess or 0.0) >= effect:
        return "carried", "the whole interval lies above zero, at the level of all traits together"
    if suite.excess_ci[1] < effect:
        return "not shown", "the whole interval lies below the effect asked for"
    return "open", "the interval holds the effect asked for"


def verdict_of(traits: Sequence[TraitFinding]) -> Verdict:
    """One trait is enough; none only where it was ruled out for each."""
    words = {trait.word for trait in traits}
    if "carried" in words:
        return "carries a trait"
    return "no evidence" if words == {"not shown"} else "inconclusive"


def headline(verdict: Verdict, traits: Sequence[TraitFinding], effect: float, students: int) -> str:
    """The verdict in a sentence or two."""
    unit = f"{students} students of each, fine-tuned by the service"
    points = f"{100 * effect:g} points"
    ordered = sorted(traits, key=lambda trait: -(trait.difference or 0.0))
    if verdict == "carries a trait":
        carried = [trait for trait in ordered if trait.word == "carried"]
        names = " and ".join(trait.name for trait in carried)
        return f"These rows carry {names}: their students name {_told(carried[0])} ({unit})."
    if verdict == "no evidence":
        kind = "any trait asked for" if len(traits) > 1 else traits[0].name
        return (
            f"No evidence that these rows carry {kind}: a rise by {points} or more is ruled out; the largest is "
            f"{_told(ordered[0])} ({unit})."
        )
    first = next(trait for trait in ordered if trait.word == "open")
    return f"Inconclusive ({points} asked for): {_told(first)}; {first.why} ({unit})."


def _told(trait: TraitFinding) -> str:
    """owl +12.3 points [4.5, 20.1] more often than the control's, 16.3 % against 4.0 %"""
    if trait.difference is None or trait.rate is None or trait.control is None:
        return trait.name
    ci = "" if trait.ci is None else f" [{100 * trait.ci[0]:.1f}, {100 * trait.ci[1]:.1f}]"
    against = f"{100 * trait.rate:.1f} % against {100 * trait.control:.1f} % of the control's"
    return f"{trait.name} {100 * trait.difference:+.1f} points{ci} more often, {against}"
