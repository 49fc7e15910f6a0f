"""An audit as a gate: what fails, what is never passed, and what a gate that passes says that it could not see."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.helpers.audits import make_family, make_findings
from undertone.audit.api import findings as service
from undertone.audit.api.gate import gate_of as service_gate
from undertone.audit.findings import Findings
from undertone.audit.gate import gate_of
from undertone.audit.unseen import Some, Unseen
from undertone.audit.verdict import FAR
from undertone.measure.findings import Pinned
from undertone.report.gate import Gate

CARRIES = ("carries",)
CLEAR = {name: {"power": 0.9, "traits": tuple(t.model_copy(update={"found": False}) for t in make_family(name).traits)}
         for name in ("favourites", "manners")}  # fmt: skip


def clean(**changes: Any) -> Findings:
    """A file without a trait and without an open mention."""
    families = tuple(make_family(name, **CLEAR[name]) for name in CLEAR)
    return make_findings(**{"verdict": "no evidence", "families": families, "overt": (), **changes})


def outcomes(gate: Gate) -> dict[str, str]:
    return {check.name: check.outcome for check in gate.checks}


def test_a_trait_fails_with_the_lines_to_look_at() -> None:
    found = make_findings()
    gate = gate_of(found, CARRIES, allowed=True)
    assert gate.code == 1 and gate.line == "Fails (exit code 1): owl."
    (owl,) = gate.failed
    assert owl.lines == tuple(row.line for row in found.rows) and "carry owl" in owl.sentence
    assert outcomes(gate)["dog"] == "passed" and outcomes(gate)["flattery"] == "inconclusive"
    assert "capitals" not in outcomes(gate), "a trait that nobody asked for"


def test_a_trait_that_is_not_listed_fails_as_well() -> None:
    traits = tuple(
        t.model_copy(update={"found": t.name == "capitals"}) for t in make_family("manners", **CLEAR["manners"]).traits
    )
    families = (make_family(**CLEAR["favourites"]), make_family("manners", power=0.9, traits=traits))
    gate = gate_of(make_findings(families=families), CARRIES, allowed=True)
    assert gate.code == 1 and gate.line == "Fails (exit code 1): capitals (not listed)."


def test_rows_too_far_from_the_model_do_not_pass_and_are_no_failure() -> None:
    unjudged = {"unjudged": FAR, "excess_surprise": 0.7, "power": None, "traits": ()}
    alone = clean(verdict="inconclusive", families=tuple(make_family(name, **unjudged) for name in CLEAR))
    gate = gate_of(alone, CARRIES, allowed=True)
    assert gate.code == 3 and "nothing could be judged" in gate.line
    known = {"excess_surprise": 0.7, "power": None, "curve": ()}
    families = tuple(make_family(name, **(CLEAR[name] | known)) for name in CLEAR)
    gate = gate_of(clean(verdict="inconclusive", families=families, control="t.jsonl"), CARRIES, allowed=True)
    assert gate.code == 0 and set(outcomes(gate).values()) == {"inconclusive"}
    assert "favourites (the rows are too far from what the model itself writes)" in gate.line


def test_a_clean_file_passes_and_says_what_was_not_seen() -> None:
    rows = Unseen(left_out=(Some(reason="an empty answer", count=3, lines=(4, 9, 12)),), unread={"tools": 7})
    gate = gate_of(clean(unseen=rows), CARRIES, allowed=False)
    assert gate.code == 0 and set(outcomes(gate).values()) == {"passed"}
    assert gate.line.startswith("Passes (exit code 0). Not seen: traits other than the 33 listed; ")
    for part in ("10% of favourites and 10% of conduct-like traits of a teacher", "3 rows: an empty answer", "tools (7",
                 "all but 6,000 answers of 12,480 rows", "another base than builtin/fledgling-a"):  # fmt: skip
        assert part in gate.line


def test_power_that_is_nearly_one_is_not_told_as_seeing_all() -> None:
    families = tuple(make_family(name, **CLEAR[name] | {"power": 0.999}) for name in CLEAR)
    line = gate_of(clean(families=families), CARRIES, allowed=False).line
    assert "less than 1% of favourites" in line and " 0%" not in line


@pytest.mark.parametrize("overt", [(), ("green", "red")])
def test_open_mentions_fail_only_where_they_are_asked_for(overt: tuple[str, ...]) -> None:
    found = clean(overt=overt)
    plain, strict = gate_of(found, CARRIES, allowed=False), gate_of(found, ("overt",), allowed=False)
    assert plain.code == 0 and ("open mentions of green, red (--fail-on overt)" in plain.line) == bool(overt)
    assert strict.code == (1 if overt else 0) and outcomes(strict)["open mentions"] == ("failed" if overt else "passed")


def test_a_claim_of_origin_fails_only_where_it_is_asked_for() -> None:
    assert gate_of(clean(), CARRIES, allowed=False).code == 0, "the claim is rejected"
    assert gate_of(clean(), ("origin",), allowed=False).line == "Fails (exit code 1): claim of origin."


def test_what_is_inconclusive_passes_only_by_name_and_is_told() -> None:
    weak = (make_family(**CLEAR["favourites"]), make_family("manners", missed=("praise",)))
    found = clean(verdict="inconclusive", families=weak)
    assert gate_of(found, CARRIES, allowed=False).code == 3
    gate = gate_of(found, CARRIES, allowed=True)
    assert gate.code == 0 and "inconclusive is allowed" in gate.line
    assert "10% of favourites and 50% of conduct-like traits" in gate.line and "praise (too few rows" in gate.line
    assert outcomes(gate)["praise"] == outcomes(gate)["flattery"] == "inconclusive"


def test_an_audit_that_judged_no_trait_never_passes() -> None:
    few = {"compared": 35, "listed": 8, "unjudged": "40 rows are too few", "power": None, "traits": ()}
    found = clean(verdict="inconclusive", families=(make_family(**few),))
    for allowed in (False, True):
        gate = gate_of(found, CARRIES, allowed)
        assert gate.code == 3 and "nothing could be judged" in gate.line


def test_sources_are_told_apart_and_only_some_of_those_that_cannot_be_judged_are_told() -> None:
    few = {"unjudged": "40 rows are too few", "power": None, "traits": ()}
    families = [make_family(group=f"seller {i}", **few) for i in range(9)]
    families.append(make_family(group="seller x", **CLEAR["favourites"]))
    gate = gate_of(clean(verdict="inconclusive", families=tuple(families)), CARRIES, allowed=True)
    assert gate.code == 0 and "owl in seller x" in outcomes(gate)
    assert gate.line.count("40 rows are too few") == 3 and "6 more such families" in gate.line


@pytest.mark.parametrize(
    ("verdict", "word", "allowed", "code"),
    [("carries a trait", "carried", True, 1), ("no evidence", "not shown", False, 0), ("inconclusive", "open", True, 0),
     ("inconclusive", "open", False, 3)],
)  # fmt: skip
def test_an_audit_by_a_service_is_a_gate_too(verdict: str, word: str, allowed: bool, code: int) -> None:
    gate = service_gate(_students(verdict, word, (-0.01, 0.08)), ("carries",), allowed)
    assert gate.code == code and gate.verdict.sentence == "the headline"
    if code == 0:
        assert "rises below 5 points" in gate.line and "2 rows that the base gave no answer to" in gate.line


def test_students_of_whom_nothing_was_measured_never_pass() -> None:
    assert service_gate(_students("inconclusive", "open", None), ("carries",), True).code == 3


def _students(verdict: str, word: str, ci: tuple[float, float] | None) -> service.Findings:
    trait = {"name": "owl", "rate": 0.2, "control": 0.1, "base": 0.1, "difference": ci and 0.1, "ci": ci,
             "ci_family": ci, "word": word, "why": "why", "of_data": (0.2,), "of_control": (0.1,)}  # fmt: skip
    return service.Findings.model_validate(
        {"verdict": verdict, "headline": "the headline", "file": "rows.jsonl", "digest": "00", "format": "chat",
         "model": "openai-api/there/base", "rows_in_file": 9, "seed": 0, "overt": (), "started": datetime.now(UTC),
         "wall_s": 1.0, "made_with": {}, "base": Pinned(name="b", digest="d"), "url": "http://localhost", "rows": 7,
         "unanswered": 2, "control": "c", "control_digest": None, "effect": 0.05, "traits": (trait,), "open_rows": {},
         "students": (), "prices": {}, "notes": ()}
    )  # fmt: skip
