"""A gate says the same in its exit code, its first line, JUnit and SARIF, and never passes what could not be seen."""

import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.pages import CONTROL, HIDDEN, HOSTILE
from tests.helpers.sarif import faults
from undertone.report.gate import Check, Gate, Outcome
from undertone.report.junit import to_junit
from undertone.report.sarif import to_sarif

OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "inconclusive", "not judged")
TEXT = st.text(max_size=30) | st.sampled_from([CONTROL, HOSTILE, "]]>", "&amp;", "\ufffe\x00\x0b"])


def gate_of(verdict: Outcome, *checks: Check, allowed: bool = False, subject: str = "rows.jsonl") -> Gate:
    whole = Check("carries-a-trait", "verdict", verdict, "the headline")
    return Gate("audit", subject, whole, checks, ("other traits", "rows that were left out"), allowed, 1.5)


@st.composite
def gates(draw: st.DrawFn) -> Gate:
    """Gates whose parts agree with their verdict: a part of it that fails fails the whole."""
    parts = st.builds(
        Check,
        st.sampled_from(["carries-a-trait", "open-mention"]),
        TEXT,
        st.sampled_from(OUTCOMES[:3]),
        TEXT,
        st.lists(st.integers(1, 10**9), max_size=3).map(tuple),
    )
    checks = draw(st.lists(parts, max_size=4))
    verdict = draw(st.sampled_from(OUTCOMES))
    subject = draw(TEXT.filter(lambda text: text.strip() and "\x00" not in text))
    return gate_of(verdict, *checks, allowed=draw(st.booleans()), subject=subject)


@pytest.mark.parametrize(
    ("verdict", "allowed", "code"),
    [
        ("passed", False, 0), ("passed", True, 0), ("failed", False, 1), ("failed", True, 1),
        ("inconclusive", False, 3), ("inconclusive", True, 0), ("not judged", False, 3), ("not judged", True, 3),
    ],
)  # fmt: skip
def test_only_a_verdict_that_clears_or_was_allowed_passes(verdict: Outcome, allowed: bool, code: int) -> None:
    gate = gate_of(verdict, allowed=allowed)
    assert gate.code == code and f"(exit code {code})" in gate.line
    assert ("Not seen: other traits; rows that were left out." in gate.line) == (code == 0)
    assert ("--allow inconclusive" in gate.line) == (verdict == "inconclusive" and not allowed)


def test_a_part_that_failed_fails_a_gate_whose_verdict_passes() -> None:
    gate = gate_of("passed", Check("open-mention", "open mentions", "failed", "Rows mention owl openly."))
    assert gate.code == 1 and gate.line == "Fails (exit code 1): open mentions."


@settings(deadline=None)
@given(gates())
def test_junit_agrees_with_the_exit_code_and_counts_what_it_holds(gate: Gate) -> None:
    text = to_junit(gate)
    assert text.isascii() and not HIDDEN & set(text)
    suites = ElementTree.fromstring(text)
    (suite,) = suites
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == 1 + len(gate.checks) == int(suite.get("tests", ""))
    kinds = [[inner.tag for inner in case] for case in cases]
    assert all(len(kind) <= 1 for kind in kinds)
    for attribute, kind in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        assert int(suite.get(attribute, "")) == kinds.count([kind])
    assert (int(suite.get("failures", "")) > 0) == (gate.code == 1)
    # An error without a failure is a gate without a verdict.
    assert (int(suite.get("errors", "")) > 0) == (gate.code == 3)
    for check, kind in zip((gate.verdict, *gate.checks), kinds, strict=True):
        assert (kind == []) == (check.outcome == "passed")
    for case in cases:
        assert {"classname", "name", "file", "time"} <= set(case.keys()) and float(case.get("time", "")) >= 0


@settings(deadline=None)
@given(gates())
def test_sarif_is_valid_and_agrees_with_the_exit_code(gate: Gate) -> None:
    text = to_sarif(gate)
    assert text.isascii() and not HIDDEN & set(text)
    log = json.loads(text)
    assert faults(log) == [] and log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["invocations"][0]["exitCode"] == gate.code
    levels = {result["level"] for result in run["results"]}
    assert (levels == {"error"}) == (gate.code == 1)
    if gate.code == 3:
        assert levels == {"warning"}
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (place,) = result["locations"]
        assert re.fullmatch(r"[!#$&-;=?-Z_a-z~%]+", place["physicalLocation"]["artifactLocation"]["uri"])


def test_the_structural_check_of_sarif_can_fail() -> None:
    log = json.loads(to_sarif(gate_of("failed")))
    run = log["runs"][0]
    run["results"][0]["level"] = "bad"
    run["results"][0]["more"] = 1
    del run["tool"]["driver"]["name"]
    run["invocations"][0]["exitCode"] = True
    assert len(faults(log)) == 4


@pytest.mark.parametrize("name", ["data/rows.jsonl", "my rows#1.jsonl", "C:rows.jsonl", "kü.jsonl"])
def test_a_file_is_named_as_seen_from_here(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for subject in (name, str(tmp_path / name)):
        (place,) = json.loads(to_sarif(gate_of("failed", subject=subject)))["runs"][0]["results"][0]["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote(uri) == name and ":" not in uri and "#" not in uri and " " not in uri
    (place,) = json.loads(to_sarif(gate_of("failed", subject="/else/a b")))["runs"][0]["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "file:///else/a%20b"
