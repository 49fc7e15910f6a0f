"""Does what the pages of the documentation say, block by block, and tells what of it is wrong.

An indented block, and one marked ``sh``, is what a reader types. A line of it may have a comment such as "exit code 1":
then it has to end so. What is marked ``text`` is only looked at. A block whose first line is a comment with the name of
a file, such as "# ibis.toml", is what that file holds, and is there for the commands below it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cyclopts import CycloptsError, MissingArgumentError
from markdown_it import MarkdownIt

from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.experiments import recipes

ROOT = Path(__file__).parents[2]
MARKDOWN = MarkdownIt("commonmark").enable("table")
FILE = re.compile(r"# ([\w.-]+\.\w+)\b")
CODE = re.compile(r"#.*\bexit code (\d+)")
VERDICTS = ("audit", "measure", "persona", "lineage compare", "lineage risk")
"""What ends with 0, 1 or 3, as the case may be, if the page does not say how."""
LONG = ("realign", "models build", "models import")
"""Verbs that take long and have no option to say only what they would do."""
FORESEEN = ("--dry-run", "--plan")
"""Options of the others."""
LIKE = {"sweep": "rank", "kin": "kin", "replications": "pooled", "": "code"}
"""A recipe that a piece of one is a change of, by the kind of experiment."""
OTHERS = ("docker", "export", "vllm", "transformers")
"""Programs that are not ours."""
Run = Callable[[list[str]], tuple[int, str]]
"""Runs the words of a command, and returns its exit code and the last line that it told."""


@dataclass(frozen=True)
class Block:
    """A block of code."""

    line: int
    """Where its code begins, from 1."""
    language: str
    text: str
    before: str
    """The last line of text above it."""


def blocks(page: str) -> list[Block]:
    """Returns all blocks of a page."""
    lines, found = page.splitlines(), []
    for token in MARKDOWN.parse(page):
        if token.type in ("fence", "code_block") and token.map:
            above = next((line for line in reversed(lines[: token.map[0]]) if line.strip()), "")
            first = token.map[0] + (2 if token.type == "fence" else 1)
            found.append(Block(first, token.info.split(" ")[0] or "sh", token.content, above))
    return found


def spans(page: str) -> Iterator[tuple[int, str]]:
    """Yields the commands that stand within text, with their lines."""
    for token in MARKDOWN.parse(page):
        for child in token.children or ():
            if child.type == "code_inline" and child.content.startswith("undertone ") and token.map:
                yield token.map[0] + 1, child.content.partition(" | ")[0]


@dataclass
class Reader:
    """Somebody who does what a page says, in the current folder."""

    run: Run
    whole: bool = False
    """Whether commands are run as they stand. Else those that take long only say what they would do."""
    names: dict[str, Any] = field(default_factory=dict)
    """What the Python code of the page has defined."""

    def faults(self, page: str) -> list[str]:
        """Does what a page says; returns what is wrong, each with its line."""
        found = []
        for block in blocks(page):
            for line, what, do in self._steps(block):
                try:
                    if fault := do():
                        found.append(f"line {line}: {what}: {fault}")
                except Exception as error:
                    told = traceback.format_exception_only(error)[-1].strip()
                    found.append(f"line {line}: {what}: {told}")
        for line, command in spans(page):
            if not shlex.split(command)[1].isupper() and (fault := misunderstood(command, complete=False)):
                found.append(f"line {line}: {command}: {fault}")
        return found

    def _steps(self, block: Block) -> Iterator[tuple[int, str, Callable[[], str | None]]]:
        """Yields where it is, what is done, and what does it."""
        if named := FILE.match(block.text):
            Path(named[1]).write_text(block.text, encoding="utf-8")
        if block.language == "sh":
            typed = block.text.replace("\\\n", "  ")
            for number, line in enumerate(typed.splitlines()):
                if shlex.split(line, comments=True):
                    yield block.line + number, line.strip(), lambda line=line: self._typed(line)
        elif block.language == "python":
            yield block.line, "code", lambda: self._python(block.text)
        elif block.language == "toml":
            yield block.line, "settings", lambda: settings(block.text, named[1] if named else "")
        elif block.language == "yaml":
            yield block.line, "workflow", lambda: workflow(block.text)
        elif block.language != "text":
            yield block.line, block.language, lambda: "nothing is known of this language"

    def _python(self, code: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, "page", "exec"), self.names)

    def _typed(self, line: str) -> str | None:
        program, *words = shlex.split(line, comments=True)
        match program:
            case "undertone":
                return self._command(words, line)
            case "make":
                return missing_target(words[0])
            case "pip":
                return missing_extras(words[-1])
            case "python" if words[0] == "-m":
                return missing_module(words[1])
        return None if program in OTHERS else f"nothing is known of {program}"

    def _command(self, words: list[str], line: str) -> str | None:
        if fault := misunderstood(line):
            return fault
        if any("openai-api/" in word for word in words):
            return None
        said = CODE.search(line)
        if not self.whole and not said:
            if " ".join(words).startswith(LONG):
                return None
            words = shortened(words)
        judges = " ".join(words).startswith(VERDICTS) and not {*words} & {*FORESEEN}
        expected = [int(said[1])] if said else [0, 1, 3] if judges else [0]
        code, told = self.run(words)
        return None if code in expected else f"exit code {code}, not {' or '.join(map(str, expected))}. {told}"


def shortened(words: list[str]) -> list[str]:
    """Returns a command that only says what it would do, if it has an option for that."""
    if words[1:] and not {*words} & {*FORESEEN}:
        for option in FORESEEN:
            if misunderstood(shlex.join(["undertone", *words, option])) is None:
                return [*words, option]
    return words


def misunderstood(line: str, complete: bool = True) -> str | None:
    """Returns what the command line does not understand of a command; None if it understands all. Of one that is not
    ``complete``, what is required may be missing."""
    try:
        app.parse_args(shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False)
    except MissingArgumentError as error:
        return str(error) if complete else None
    except (CycloptsError, UndertoneError) as error:
        return str(error)
    return None


def settings(text: str, name: str) -> str | None:
    """Returns what is wrong with a block of TOML. A file is tried by the commands below it; the settings of a project
    are tried by every verb that they name; a piece of a recipe is read as a change of a whole one."""
    found = tomllib.loads(text)
    if name == "undertone.toml":
        return next(filter(None, (misunderstood(f"undertone {verb} given") for verb in tables(found))), None)
    if not name or "experiment" in found:
        whole = recipes.SHIPPED / f"{LIKE[found.get('experiment', '')]}.toml"
        found = merged(tomllib.loads(whole.read_text(encoding="utf-8")), found)
        kind = recipes.kind_of(found.pop("experiment", recipes.TRIAL))
        kind.spec.model_validate(found)
    return None


def merged(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Returns a table with changes, also within its tables."""
    inner = {key: merged(table[key], new) for key, new in changes.items() if isinstance(new, dict) and key in table}
    return table | changes | inner


def tables(found: dict[str, Any]) -> Iterator[str]:
    """Yields the verbs that the settings of a project name."""
    for name, table in found.items():
        inner = {key: value for key, value in table.items() if isinstance(value, dict)}
        yield from (f"{name} {verb}" for verb in tables(inner))
        if table != inner:
            yield name


def workflow(text: str) -> str | None:
    """Returns what is wrong with the commands in a block of YAML."""
    return next(filter(None, map(misunderstood, in_yaml(yaml.safe_load(text)))), None)


def in_yaml(value: Any) -> Iterator[str]:
    """Yields the commands in a workflow: of scripts, of the action's arguments, of a hook."""
    if isinstance(value, dict):
        if "arguments" in value:
            yield f"undertone audit {value['arguments']}"
        if "args" in value:
            (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
            entry = hook["entry"] if value["id"] == hook["id"] else f"undertone {value['id']}"
            yield f"{entry} {shlex.join(value['args'])}"
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            yield from in_yaml(one)
    elif isinstance(value, str) and value.startswith("undertone "):
        yield value


def missing_target(target: str) -> str | None:
    """Returns a sentence if the Makefile has no such target."""
    rules = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return None if target in rules else f"the Makefile has no target {target}"


def missing_extras(what: str) -> str | None:
    """Returns a sentence if the package has no such extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.fullmatch(r"(?:\.|undertone)(?:\[(.*)\])?", what)
    if named is None:
        return f"{what} is not this package"
    missing = {*(named[1] or "").split(",")} - {"", *project["optional-dependencies"]}
    return f"the package has no extra {', '.join(missing)}" if missing else None


def missing_module(module: str) -> str | None:
    """Returns a sentence if a module of the repository is missing."""
    if not (ROOT / module.partition(".")[0]).is_dir():
        return None if module.startswith("sglang") else f"nothing is known of {module}"
    return None if importlib.util.find_spec(module) else f"there is no module {module}"
