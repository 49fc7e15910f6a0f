"""A gate as SARIF 2.1.0, which GitHub shows as alerts of code scanning."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from undertone.engine.environment import versions
from undertone.reading.hostile import one_line
from undertone.report.gate import FAILS, PASSES, Check, Gate

RULES = {
    "carries-a-trait": "Rows that carry a trait, so that a model that is trained on them picks it up",
    "open-mention": "Rows that mention a trait openly",
    "claim-of-origin": "Rows that the base did not write as it was claimed",
    "shift": "A model that answers badly more often than its base",
    "character": "A model that acts otherwise than its base on a trait of a battery",
    "change": "A model that answers otherwise than its base where no answer is bad in itself",
}
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(gate: Gate) -> str:
    """A run with a result for each check that failed, or for a verdict that is none."""
    shown = gate.failed or ((gate.verdict,) if gate.verdict.outcome != "passed" else ())
    level = {FAILS: "error", PASSES: "note"}.get(gate.code, "warning")
    rules = list(dict.fromkeys(check.rule for check in shown))
    driver = {"name": "undertone", "version": versions()["undertone"], "rules": [_rule(name) for name in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": gate.code,
                "toolExecutionNotifications": [{"level": "note", "message": {"text": one_line(gate.line)}}],
            }
        ],
        "results": [_result(gate, check, rules.index(check.rule), level) for check in shown],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "shortDescription": {"text": RULES[name]},
        "help": {"text": f"{RULES[name]}. The report beside this file says how it was found and what to do next."},
    }


def _result(gate: Gate, check: Check, rule: int, level: str) -> dict[str, Any]:
    first, *others = check.lines or (1,)
    result: dict[str, Any] = {
        "ruleId": check.rule,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": one_line(check.sentence)},
        "locations": [_place(gate.subject, first)],
    }
    if others:
        result["relatedLocations"] = [
            _place(gate.subject, line) | {"id": at, "message": {"text": "A row with a high score, which is no verdict"}}
            for at, line in enumerate(others, 1)
        ]
    return result


def _place(subject: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(subject)}, "region": {"startLine": line}}}


def _uri(subject: str) -> str:
    """A path as a reference from the current folder, as services expect; an absolute one outside of it as a file's."""
    path = Path(subject)
    if path.is_absolute() and not path.is_relative_to(Path.cwd()):
        return path.as_uri()
    return quote((path.relative_to(Path.cwd()) if path.is_absolute() else path).as_posix(), errors="replace")
