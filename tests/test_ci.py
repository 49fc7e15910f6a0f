"""The action, the hook and the workflow: what they name is there, and the action's steps do what a runner is to see."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.documents import misunderstood

ROOT = Path(__file__).parents[1]
RECORD = """#!/usr/bin/env bash
printf '%s\\n' "$@" > "$RECORD"
if [ "$SAYS" ]; then printf '%s' "$SAYS"; fi
exit "$CODE"
"""


def _read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def _step(name: str) -> dict[str, Any]:
    return next(step for step in _read("action.yml")["runs"]["steps"] if step["name"] == name)


def gate(folder: Path, arguments: str, code: int, says: str = "# the page\n") -> tuple[int, list[str], str, str]:
    """What the action's step does with a command that ends so: exit code, the command's arguments, outputs, summary."""
    folder.mkdir(exist_ok=True)
    (folder / "undertone").write_text(RECORD)
    (folder / "undertone").chmod(0o755)
    files = {name: str(folder / name) for name in ("RECORD", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {
        **os.environ, **files, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "RUNNER_TEMP": str(folder),
        "CODE": str(code), "SAYS": says, "VERB": "audit", "ARGUMENTS": arguments, "REPORT": "a report",
    }  # fmt: skip
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", _step("Undertone")["run"]]  # as a runner does
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    read = [(folder / name).read_text() for name in ("RECORD", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")]
    return done.returncode, read[0].splitlines(), read[1], read[2]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_action_ends_as_the_command_and_shows_its_page(code: int, tmp_path: Path) -> None:
    ended = gate(tmp_path, "rows.jsonl --model builtin/fledgling-a", code)
    arguments = ["audit", "rows.jsonl", "--model", "builtin/fledgling-a", "--out", "a report", "--format", "markdown"]
    assert ended == (code, arguments, f"code={code}\n", "# the page\n")


@pytest.mark.parametrize("code", [2, 70, 141, 143])
def test_an_end_without_a_result_is_no_empty_summary(code: int, tmp_path: Path) -> None:
    ended, _, outputs, summary = gate(tmp_path, "rows.jsonl", code, says="")
    assert (ended, outputs) == (code, f"code={code}\n") and f"exit code {code} and without a result" in summary


def test_arguments_are_words_and_never_code(tmp_path: Path) -> None:
    hostile = """'my rows.jsonl' --model "$(touch pwned)" `touch pwned` ; touch pwned\n --rows *"""
    _, words, _, _ = gate(tmp_path, hostile, 0)
    assert words[1:-4] == ["my rows.jsonl", "--model", "$(touch pwned)", "`touch", "pwned`", ";", "touch", "pwned",
                           "--rows", "*"]  # fmt: skip
    assert not (tmp_path / "pwned").exists()


def test_a_quote_that_does_not_end_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    (tmp_path / "RECORD").touch()
    (tmp_path / "GITHUB_STEP_SUMMARY").touch()
    assert gate(tmp_path, 'rows.jsonl --fail-on "overt', 0)[:3] == (2, [], "code=2\n")


def test_no_arguments_are_no_argument(tmp_path: Path) -> None:
    assert gate(tmp_path, "", 2)[1] == ["audit", "--out", "a report", "--format", "markdown"]


def test_inputs_reach_no_shell_as_text() -> None:
    steps = _read("action.yml")["runs"]["steps"]
    assert all("${{" not in step["run"] and step["shell"] == "bash" for step in steps)


def test_the_workflow_the_hook_and_the_guide_call_what_is_there() -> None:
    (hook,) = _read(".pre-commit-hooks.yaml")
    steps = _read("examples/workflow.yml")["jobs"]["audit"]["steps"]
    (own,) = [step for step in steps if step.get("id") == "undertone"]
    assert own["with"].keys() <= _read("action.yml")["inputs"].keys()
    called = [f"{hook['entry']} rows.jsonl", f"undertone audit {own['with']['arguments']}"]
    assert [misunderstood(line) for line in called] == [None, None]
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert own["with"]["arguments"] in text and hook["id"] in text
    assert {"gate.sarif", "gate.junit.xml"} <= set(text.replace("`", " ").replace("/", " ").split())
