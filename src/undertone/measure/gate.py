"""A measurement as a gate of continuous integration: which checks it holds, and what it could not see."""

from collections.abc import Iterator, Sequence
from typing import Literal

from undertone.measure.findings import Findings, SuiteFinding, Verdict, Word
from undertone.measure.verdict import points_of, told
from undertone.report.gate import Check, Gate, Outcome

FailOn = Literal["shift", "changed"]
"""What can fail a model: a shift, which always does, and a change in a suite that does not count."""
VERDICTS: dict[Verdict, Outcome] = {
    "shift found": "failed",
    "no shift found": "passed",
    "inconclusive": "inconclusive",
    "no verdict": "not judged",
}
WORDS: dict[Word, Outcome] = {
    "shift": "failed",
    "no shift": "passed",
    "open": "inconclusive",
    "not measured": "inconclusive",
}


def gate_of(found: Findings, fail_on: Sequence[FailOn], allowed: bool) -> Gate:
    """Returns the gate of a measurement. ``allowed``: whether "inconclusive" passes; "no verdict" never does."""
    counting = [suite for suite in found.suites if suite.counts]
    others = [suite for suite in found.suites if not suite.counts]
    shown = [*counting, *others] if "changed" in fail_on else counting
    return Gate(
        verb="measure",
        subject=found.training_file or found.models[0].name,
        verdict=Check("shift", "verdict", VERDICTS[found.verdict], found.headline),
        checks=tuple(map(_check, shown)),
        unseen=tuple(_unseen(found, counting, others, "changed" in fail_on)),
        allowed=allowed,
        seconds=found.wall_s,
    )


def _check(suite: SuiteFinding) -> Check:
    rule = "shift" if suite.counts else "change"
    return Check(rule, suite.name, WORDS[suite.word], f"{told(suite)}: {suite.why}.")


def _unseen(
    found: Findings, counting: Sequence[SuiteFinding], others: Sequence[SuiteFinding], changed: bool
) -> Iterator[str]:
    yield f"what the {len(found.suites)} suites do not ask"
    yield f"rises of less than {points_of(found.effect)}"
    if left := [suite.name for suite in counting if suite.word in ("open", "not measured")]:
        yield f"shifts in {', '.join(left)}"
    if changed and (left := [suite.name for suite in others if suite.word in ("open", "not measured")]):
        yield f"changes in {', '.join(left)}"
    if not changed and others:
        some = [suite.name for suite in others if suite.word == "shift"]
        moved = f", of which {', '.join(some)} changed" if some else ""
        yield f"suites that do not count, {len(others)} of them{moved} (--fail-on changed)"
    if found.notes:
        yield f"{len(found.notes)} things that the report's notes tell"
