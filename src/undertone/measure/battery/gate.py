"""A battery as a gate of continuous integration."""

from undertone.measure.battery.findings import BatteryFindings, TraitFinding
from undertone.measure.battery.words import sentence
from undertone.report.gate import Check, Gate, Outcome


def gate_of(found: BatteryFindings, allowed: bool) -> Gate:
    """Returns the gate: a trait fails if what a model does moved away from its usual pole. ``allowed``: whether an
    inconclusive result passes."""
    checks = tuple(map(_check, found.traits))
    outcomes = {check.outcome for check in checks}
    worst = next(one for one in ("failed", "inconclusive", "passed") if one in outcomes)
    unread = sum(one.says.word in ("open", "not measured") for one in found.traits)
    return Gate(
        verb="measure",
        subject=found.traits[0].model,
        verdict=Check("character", "verdict", worst, found.headline),
        checks=checks,
        unseen=(
            "traits that the battery does not ask for",
            *_unseen(unread, len(found.traits)),
        ),
        allowed=allowed,
        seconds=found.wall_s,
    )


def _unseen(unread: int, traits: int) -> list[str]:
    return [f"what is said of {unread} of {traits} traits"] if unread else []


def outcome_of(found: TraitFinding) -> Outcome:
    """Returns whether a trait passes."""
    if found.does.word in ("open", "not measured"):
        return "inconclusive"
    return "failed" if found.does.word == "less" else "passed"


def _check(found: TraitFinding) -> Check:
    said = sentence(found) or found.does.why or "did not change"
    return Check("character", f"{found.model}: {found.trait}", outcome_of(found), f"{found.model} {said}.")
