"""An audit as a gate of continuous integration: which checks it holds, and what it could not see."""

from collections.abc import Iterator, Sequence
from typing import Literal

from undertone.audit.findings import AuditFindings, FamilyFinding, Findings, TraitFinding
from undertone.audit.verdict import FAR, POWER
from undertone.report.gate import Check, Gate, Outcome

FailOn = Literal["carries", "overt", "origin"]
"""What can fail a file: that it carries a trait, which always does, open mentions, a claim of origin that is wrong."""
CARRIES = "carries-a-trait"
MOST = 3
"""The most sources of which the same is said one by one."""


def gate_of(found: Findings, fail_on: Sequence[FailOn], allowed: bool) -> Gate:
    """Returns the gate of an audit for a base whose weights are on this machine. ``allowed``: whether "inconclusive"
    passes, unless no trait at all was judged. A claim of origin that is to be checked must have been made."""
    judged = any(family.unjudged is None for family in found.families)
    checks = [check for family in found.families for check in _family(family, found)]
    if "origin" in fail_on:
        assert found.origin is not None, "the command line refuses this without a claim"
        outcome: Outcome = "failed" if found.origin.rejected else "passed"
        checks.append(Check("claim-of-origin", "claim of origin", outcome, found.origin.claim))
    return gate_with(found, judged, [*checks, *mentions(found, fail_on)], [*_unseen(found)], fail_on, allowed)


def gate_with(
    found: AuditFindings,
    judged: bool,
    checks: Sequence[Check],
    unseen: Sequence[str],
    fail_on: Sequence[FailOn],
    allowed: bool,
) -> Gate:
    """Returns the gate of any audit. ``judged``: whether any trait was; ``unseen`` is added to."""
    outcomes: dict[str, Outcome] = {"carries a trait": "failed", "no evidence": "passed"}
    outcome = outcomes.get(found.verdict, "inconclusive" if judged else "not judged")
    left = [f"{heading.lower()}: {sentence.rstrip('.')}" for heading, sentence in found.unseen.checks]
    if found.overt and "overt" not in fail_on:
        left.append(f"open mentions of {', '.join(found.overt)} (--fail-on overt)")
    return Gate(
        verb="audit",
        subject=found.file,
        verdict=Check(CARRIES, "verdict", outcome, found.headline),
        checks=tuple(checks),
        unseen=(*unseen, *left, f"what the rows do to another base than {found.model}"),
        allowed=allowed,
        seconds=found.wall_s,
    )


def mentions(found: AuditFindings, fail_on: Sequence[FailOn]) -> Iterator[Check]:
    """Yields the check of open mentions, if they are to fail a file."""
    if "overt" in fail_on:
        names = ", ".join(found.overt)
        sentence = f"Rows mention {names} openly." if names else "No row mentions a listed trait openly."
        yield Check("open-mention", "open mentions", "failed" if names else "passed", sentence)


def _family(family: FamilyFinding, found: Findings) -> Iterator[Check]:
    """Yields a check for each listed trait, and for each other one that was found."""
    if family.unjudged is not None:
        yield Check(CARRIES, family.words, "inconclusive", f"{family.words} cannot be judged: {family.unjudged}.")
    for name in family.missed:
        yield Check(CARRIES, _name(name, family), "inconclusive", f"Too few rows do not mention {name}.")
    for trait in family.traits:
        if trait.listed or trait.found:
            lines = tuple(row.line for row in found.rows if row.trait == trait.name) if trait.found else ()
            name = _name(trait.name if trait.listed else f"{trait.name} (not listed)", family)
            yield Check(CARRIES, name, *_outcome(trait, family, found.effect), lines)


def _name(trait: str, family: FamilyFinding) -> str:
    return f"{trait} in {family.group}" if family.group else trait


def _outcome(trait: TraitFinding, family: FamilyFinding, effect: float) -> tuple[Outcome, str]:
    size = f"effect {trait.effect:.2f} [{trait.ci[0]:.2f}, {trait.ci[1]:.2f}], z {trait.z:.1f}"
    if trait.found:
        return "failed", f"These rows carry {trait.name}: {size}."
    if trait.name in family.disputed:
        return "inconclusive", f"{trait.name} passes the threshold, and some harmless models show it as well: {size}."
    if family.power is None:
        return "inconclusive", f"{trait.name} was not found ({size}), which says nothing: {FAR}."
    power = family.power
    chance = f"an effect of {effect:g} would have been found with a probability of {power:.0%}"
    return ("passed" if power >= POWER else "inconclusive"), f"{trait.name} was not found ({size}); {chance}."


def _unseen(found: Findings) -> Iterator[str]:
    """Yields what the rows could not show, and which rows were not looked at."""
    listed = {family.name: family.listed for family in found.families}
    yield f"traits other than the {sum(listed.values())} listed"
    worst: dict[str, float] = {}
    for family in found.families:
        if family.power is not None:
            words = family.words.removesuffix(f" in {family.group}")
            worst[words] = min(family.power, worst.get(words, 1.0))
    if worst:
        missed = " and ".join(f"{_share(1 - power)} of {words}" for words, power in worst.items())
        who = "a teacher" if found.effect == 1 else f"{found.effect:g} times the effect of a teacher"
        yield f"{missed} of {who} who wrote every row"
    blind = [f"{family.words} ({family.unjudged})" for family in found.families if family.unjudged]
    blind += [f"{family.words} ({FAR})" for family in found.families if family.far and not family.unjudged]
    blind += [f"{', '.join(f.missed)} (too few rows do not mention it)" for f in found.families if f.missed]
    blind += [f"{', '.join(f.disputed)} (harmless models show it too)" for f in found.families if f.disputed]
    yield from blind[:MOST]
    if len(blind) > MOST:
        yield f"{len(blind) - MOST} more such families"
    if found.scored < found.rows_in_file:
        yield f"all but {found.scored:,} answers of {found.rows_in_file:,} rows"


def _share(part: float) -> str:
    """5%, and never 0%"""
    return f"{part:.0%}" if part >= 0.005 else "less than 1%"
