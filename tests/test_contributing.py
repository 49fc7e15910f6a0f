"""What CONTRIBUTING.md says can be added is added to a copy of the package, and works there as the page says."""

import json
import os
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
import json, sys
from undertone.cli import main
for line in sys.stdin:
    code = main(json.loads(line))
    print(f"ended with {code}", file=sys.stderr)
"""


def tried(commands: list[list[str]], folder: Path) -> list[str]:
    """What the commands of the copy wrote to stderr. One process does them all: to start is most of what it costs."""
    done = subprocess.run(
        [sys.executable, "-c", TRY],
        input="".join(f"{json.dumps(words)}\n" for words in commands),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_the_page_adds_five_things() -> None:
    assert list(ADDED) == ["A trait", "A carrier", "A suite of questions", "A mitigation", "A kind of experiment"]


@pytest.mark.slow
def test_what_the_page_adds_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    commands = []
    for added in ADDED.values():
        put(tmp_path, added)
        program, *words = shlex.split(added.command)
        assert program == "undertone"
        commands.append(words)
    told: list[str] = []
    codes = []
    for line in tried(commands, tmp_path):
        if ended := re.fullmatch(r"ended with (\d)", line):
            codes.append(int(ended[1]))
            assert len(told) < 2 and not "".join(told).startswith(("undertone:", "note:")), "at most what will be done"
            told = []
        else:
            told.append(line)
    assert len(codes) == len(ADDED) and set(codes) <= {0, 3}  # 3: a verdict that is inconclusive
    modules = [path for added in ADDED.values() for path in added.files if path.endswith(".py")]
    ruff = [sys.executable, "-m", "ruff", "check", "-q", "--config", str(ROOT / "pyproject.toml"), *modules]
    assert modules and subprocess.run(ruff, cwd=tmp_path).returncode == 0
