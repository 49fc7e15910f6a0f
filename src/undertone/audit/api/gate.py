"""An audit with a service's students as a gate of continuous integration."""

from collections.abc import Sequence

from undertone.audit.api.findings import Findings, TraitFinding
from undertone.audit.api.verdict import told
from undertone.audit.gate import CARRIES, FailOn, gate_with, mentions
from undertone.report.gate import Check, Gate, Outcome

OUTCOMES: dict[str, Outcome] = {"carried": "failed", "not shown": "passed", "open": "inconclusive"}


def gate_of(found: Findings, fail_on: Sequence[FailOn], allowed: bool) -> Gate:
    """Returns the gate of an audit for a base behind a service. ``allowed``: whether "inconclusive" passes, unless no
    trait at all was judged."""
    unseen = [f"traits other than the {len(found.traits)} asked for", f"rises below {100 * found.effect:g} points"]
    unseen += [f"{trait.name} ({trait.why})" for trait in found.traits if trait.word == "open"]
    unseen += [f"{found.unanswered:,} rows that the base gave no answer to"] * (found.unanswered > 0)
    judged = any(trait.ci is not None for trait in found.traits)
    checks = [*map(_check, found.traits), *mentions(found, fail_on)]
    return gate_with(found, judged, checks, unseen, fail_on, allowed)


def _check(trait: TraitFinding) -> Check:
    return Check(CARRIES, trait.name, OUTCOMES[trait.word], f"{told(trait)}: {trait.why}.")
