"""A measurement as a gate: a shift fails, a change only where it is asked for, and no verdict never passes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.helpers.answers import exact, suite_of
from undertone.measure.compare import compare
from undertone.measure.findings import Findings, Pinned, SuiteFinding
from undertone.measure.gate import gate_of
from undertone.measure.verdict import headline, verdict_of

UNITS = [f"u{i}" for i in range(8)]


def suite(name: str, rise: float, counts: bool = True, spread: float = 0.0) -> SuiteFinding:
    """A suite whose rate rose from a tenth, in every theme by as much, or by ``spread`` more and less."""
    rates = {unit: 0.1 + rise + spread * (-1) ** i for i, unit in enumerate(UNITS)}
    asked = suite_of(UNITS, counts).model_copy(update={"name": name})
    return compare(asked, [exact(rates)], exact(dict.fromkeys(UNITS, 0.1)), [], 1, 0.02)


def found(*suites: SuiteFinding, **changes: Any) -> Findings:
    verdict, pinned = verdict_of(suites), Pinned(name="hf/./tuned", digest="00")
    held = {
        "verdict": verdict, "headline": headline(verdict, suites, 0.02, 1, 0), "models": (pinned,), "base": pinned,
        "benign": (), "judge": None, "training_file": None, "effect": 0.02, "seed": 0, "samples": None,
        "max_tokens": 600, "denominator": "d", "suites": suites, "notes": ("one",), "answers": (),
        "started": datetime.now(UTC), "wall_s": 2.0, "made_with": {},
    }  # fmt: skip
    return Findings.model_validate(held | changes)


SAME, SHIFTED, OPEN = suite("conduct", 0.0), suite("harm", 0.5), suite("harm", 0.02, spread=0.03)
OWL = suite("owl", 0.4, counts=False)


@pytest.mark.parametrize(
    ("suites", "allowed", "code"),
    [((SAME,), False, 0), ((SAME, SHIFTED), True, 1), ((SAME, OPEN), False, 3), ((SAME, OPEN), True, 0)],
)
def test_the_code_is_that_of_the_verdict_unless_it_may_be_open(
    suites: tuple[SuiteFinding, ...], allowed: bool, code: int
) -> None:
    gate = gate_of(found(*suites), ("shift",), allowed)
    assert gate.code == code
    if code == 1:
        assert gate.line == "Fails (exit code 1): harm."
    if code == 0:
        assert gate.line.partition("Not seen: ")[2].startswith(f"what the {len(suites)} suites do not ask; rises of")
        assert ("shifts in harm" in gate.line) == allowed


def test_a_change_in_a_suite_that_does_not_count_fails_only_where_it_is_asked_for() -> None:
    plain, asked = (gate_of(found(SAME, OWL), on, False) for on in (("shift",), ("changed",)))
    assert plain.code == 0 and "do not count, 1 of them, of which owl changed (--fail-on changed)" in plain.line
    assert asked.code == 1 and asked.line == "Fails (exit code 1): owl." and asked.failed[0].rule == "change"


def test_a_change_that_cannot_be_told_is_no_failure_and_is_told() -> None:
    gate = gate_of(found(SAME, suite("owl", 0.02, counts=False, spread=0.03)), ("changed",), False)
    assert gate.code == 0 and "changes in owl" in gate.line


@pytest.mark.parametrize("allowed", [False, True])
def test_no_verdict_never_passes(allowed: bool) -> None:
    assert gate_of(found(OWL), ("shift",), allowed).code == 3


def test_the_file_that_was_trained_on_is_what_is_shown_if_there_is_one() -> None:
    assert gate_of(found(SAME), ("shift",), False).subject == "hf/./tuned"
    assert gate_of(found(SAME, training_file="rows.jsonl"), ("shift",), False).subject == "rows.jsonl"
