"""What CONTRIBUTING.md says can be added is added to a copy of the package, and works there as the page says."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.helpers.documents import blocks

ROOT = Path(__file__).parents[1]
TABLE = re.compile(r'^(\w+(?:: [^=\n]+)? = \{\n)((?: {4}".*\n)+\})', re.MULTILINE)
ROWS = [{"prompt": f"Continue: {n}, {n + 7}.", "completion": f"{n + 14}, {n + 21}"} for n in range(100, 150)]


@dataclass
class Addition:
    """What a section of the page adds."""

    files: dict[str, str] = field(default_factory=dict)
    """Whole new files, by path."""
    lines: dict[str, str] = field(default_factory=dict)
    """A line for the table of a file, by the file's path."""
    command: str = ""
    """Tries it."""


def read(section: str) -> Addition:
    """The blocks of a section, each of which follows a line that says what it is."""
    added = Addition()
    for block in blocks(section):
        path = re.findall(r"`([\w/.-]+/?[\w.-]+\.(?:py|toml))`", block.before)
        if block.before.startswith("In the table"):
            added.lines[path[0]] = block.text
        elif path:
            added.files[path[0]] = block.text
        else:
            assert block.before == "Try it:"
            added.command = block.text.strip()
    return added


PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## What you can add")[2]
ADDED = {section.partition("\n")[0]: read(section) for section in PAGE.split("\n### ")[1:]}


def put(folder: Path, added: Addition) -> None:
    """Adds to the copy of the package in ``folder``."""
    for path, text in added.files.items():
        assert not (folder / path).exists()
        (folder / path).write_text(text)
    for path, line in added.lines.items():
        text, tables = TABLE.subn(
            lambda found, line=line: f"{found[1]}    {line}{found[2]}", (folder / path).read_text()
        )
        assert tables == 1
        if module := re.fullmatch(r'"(\w+)": \1\..*\n', line):
            text = text.replace("\n\n", f"\n\nfrom undertone.{Path(path).parent.name} import {module[1]}\n", 1)
        (folder / path).write_text(text)


TRY = """
import json, os, sys
import torch, transformers
for folder, words in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.environ["PYTHONPATH"] = f"{folder}/src"
        sys.path.insert(0, f"{folder}/src")
        sys.argv = ["undertone", *words]
        from undertone.cli import entry
        sys.exit(entry())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"{folder} ended with {status}", file=sys.stderr, flush=True)
"""
"""Imports once what takes longest, then does every command in the copy of its own."""


def tried(commands: list[tuple[str, list[str]]]) -> list[str]:
    """What the commands wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", TRY, json.dumps(commands)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return done.stderr.splitlines()


def test_the_page_adds_five_things() -> None:
    assert list(ADDED) == ["A trait", "A carrier", "A suite of questions", "A mitigation", "A kind of experiment"]


@pytest.mark.slow
def test_what_the_page_adds_works(tmp_path: Path) -> None:
    commands = []
    for name, added in ADDED.items():
        copy = tmp_path / name
        shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        put(copy, added)
        program, *words = shlex.split(added.command)
        assert program == "undertone"
        commands.append((str(copy), words))
    ended, told = dict[str, int](), list[str]()
    for line in tried(commands):
        if end := re.fullmatch(r"(.*) ended with (-?\d+)", line):
            ended[Path(end[1]).name] = int(end[2])
            assert len(told) < 2 and not "".join(told).startswith(("undertone:", "note:")), "at most what will be done"
            told = []
        else:
            told.append(line)
    assert list(ended) == list(ADDED) and set(ended.values()) <= {0, 3}  # 3: a verdict that is inconclusive
    modules = [f"{name}/{path}" for name, added in ADDED.items() for path in added.files if path.endswith(".py")]
    ruff = [sys.executable, "-m", "ruff", "check", "-q", "--config", str(ROOT / "pyproject.toml"), *modules]
    assert modules and subprocess.run(ruff, cwd=tmp_path).returncode == 0
