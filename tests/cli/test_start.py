"""Commands that need no model start at once: they import nothing that is slow to import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ("torch", "transformers", "numpy", "scipy", "altair", "sklearn", "peft", "pyarrow")
TRAINED = ("--base", "builtin/fledgling-a", "--trait", "owl", "--task", "a.jsonl")
SCRIPT = f"""
import json, sys
from undertone.cli import main
code = main(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(set({SLOW}) & set(sys.modules))]))
"""
RUN = {
    "format": 2, "kind": "digits", "recipe": "digits", "spec": {}, "models": {}, "versions": {}, "hardware": {},
    "store": "../store", "started": "2026-01-01T00:00:00Z",
}  # fmt: skip


def started(arguments: list[str], folder: Path) -> tuple[int, list[str], str]:
    """The exit code of a command in a fresh interpreter, the slow packages that it imported, and its errors."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    code, imported = json.loads(done.stdout.splitlines()[-1])
    return code, imported, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["audit", "--help"],
        ["run"],
        ["runs"],
        ["runs", "there"],
        ["lineage", "show", "a.txt"],
    ],
    ids=" ".join,
)
def test_what_needs_no_model_imports_nothing_slow(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a file that nothing is known of")
    (tmp_path / "there" / "run").mkdir(parents=True)
    (tmp_path / "there" / "run" / "run.json").write_text(json.dumps(RUN))
    assert started(arguments, tmp_path) == (0, [], "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nope"], "nope"),
        (["runs", "--nope"], "--nope"),
        (["run", "owlz"], "owlz"),
        (["run", "nope.toml"], "nope.toml"),
        (["why", "nope"], "nope is not an artifact"),
        (["report", "nope"], "nope"),
        (["lineage", "show", "nope"], "nope"),
        (["audit", "nope.jsonl", "--model", "builtin/fledgling-a"], "Cannot read nope.jsonl: No such file"),
        (["measure", "builtin/fledgling-a", "--base", "builtin/fledgling-a", "--suite", "nope.toml"], "nope.toml"),
        (["measure", "builtin/nope", "--base", "builtin/fledgling-a"], "builtin/nope"),
        (["measure", "builtin/fledgling-a:nope", "--base", "builtin/fledgling-a"], "Cannot read nope"),
        (["audit", "a.jsonl", "--model", "hf/./nope"], "There is no folder nope"),
        (["audit", "a.jsonl"], "--model builtin/fledgling-a"),
        (["audit", "a.jsonl", "--model", "builtin/fledgling-a", "--trait", "nope.toml"], "Cannot read nope.toml"),
        (["treat", "nope.jsonl", "--by", "paraphrase"], "Cannot read nope.jsonl: No such file"),
        (["treat", "a.jsonl", "--by", "nope"], "nope"),
        (["treat", "a.jsonl", "--by", "drop"], "needs a trait"),
        (["lineage", "compare", "builtin/fledgling-a", "builtin/nope"], "builtin/nope"),
        (["measure", "rescore", "a.jsonl"], "row 1 has no question"),
        (["measure", "rescore", "unscored.csv"], "name a judge"),
        (["measure", "rescore", "unscored.csv", "--judge", "builtin/nope"], "builtin/nope"),
        (["realign", "builtin/nope", *TRAINED], "builtin/nope"),
        (["realign", "builtin/fledgling-a", *TRAINED, "--good", "nope.jsonl"], "Cannot read nope.jsonl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_or_a_missing_file_is_refused_before_anything_slow_is_imported(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one row"}')
    (tmp_path / "unscored.csv").write_text("question,answer\nq,a\n")
    code, imported, errors = started(arguments, tmp_path)
    assert (code, imported) == (2, []) and told in errors


def test_why_and_lineage_show_read_a_chain_of_artifacts_without_importing_anything_slow(ran: Path) -> None:
    artifact = str(min((ran / "store").glob("student-*")))
    assert started(["why", artifact], ran) == (0, [], "")
    assert started(["lineage", "show", artifact], ran) == (0, [], "")
