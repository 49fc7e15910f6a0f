"""What is wrong with the published figures."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from results import entries as toml
from results.entries import Entries
from results.hand import typed
from results.keep import refuse_places
from results.places import PLACEHOLDER, at
from results.tables import DOCUMENTS, MADE, reports_in, tables, written
from undertone.errors import UndertoneError
from undertone.experiments import recipes
from undertone.experiments.kind import kind_of
from undertone.spec import Recipe, flat


def faults(root: Path) -> Iterator[str]:
    """Yields a sentence for everything that is wrong in the repository at ``root``."""
    try:
        entries, reports = toml.read(root / "results"), reports_in(root / "results")
        made = tables(entries, reports)
    except UndertoneError as error:
        yield str(error)
        return
    yield from about_documents(root, made)
    yield from about_rows(entries, reports)
    yield from about_reports(entries, reports)
    yield from about_commits(root, entries)


def about_documents(root: Path, made: Mapping[str, str]) -> Iterator[str]:
    """Yields what is wrong with the documents that print the tables."""
    left = set(made)
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        left -= {found[2] for found in MADE.finditer(text)}
        if text != written(text, made):
            yield f"{name} is not what figures.toml and the kept reports give: make results writes it."
        yield from (f'{name}: "{figure}" is typed by hand.' for figure in typed(text))
    yield from (f"No document has the table {name}." for name in sorted(left))


def about_rows(entries: Entries, reports: Mapping[str, Any]) -> Iterator[str]:
    """Yields what is wrong with the text of rows. In a confirmatory one p must stand beside every interval, since looks
    do not widen intervals."""
    for row in entries.rows:
        for text in row.answers if row.criteria else ():
            for found in PLACEHOLDER.finditer(text):
                name, place, wording, _ = found.groups()
                tested = wording == "estimate" and at(reports[name], place).get("p") is not None
                if tested and not re.match(r", \{[^{}|]+\| p\}", text[found.end() :]):
                    yield f'The row "{row.question}" has no p beside {found[0]}: word it as tested.'
        for text in (row.question, *row.answers):
            yield from (f'The row "{row.question}": "{figure}" is typed by hand.' for figure in typed(text))
        for text in (row.question, row.published, *row.answers):
            if re.search(r"[{}|\n]", PLACEHOLDER.sub("", text)):
                yield f'The row "{row.question}" has a brace, a bar or a new line outside placeholders.'


def about_reports(entries: Entries, reports: Mapping[str, Any]) -> Iterator[str]:
    """Yields reports that are missing, not used, not listed, not of their command or commit, or that name a machine."""
    used = {name for row in entries.rows for name in row.reports}
    for name in sorted(entries.reports.keys() | reports.keys()):
        if name not in entries.reports.keys() & reports.keys() & used:
            yield f"The report {name} has no file, is not listed in [reports], or no figure rests on it."
            continue
        try:
            refuse_places(reports[name])
            origin = entries.reports[name]
            differing = [] if origin.gone else different(reports[name], asked(origin.command))
        except UndertoneError as error:
            yield f"The report {name}: {error}"
            continue
        if differing:
            yield f"The report {name} is not of {origin.command}, which has other {', '.join(differing)}."
        made, commit = reports[name].get("commit"), origin.gathered or origin.commit
        if made is not None and not re.fullmatch(f"{commit}[0-9a-f]*", made):
            yield f"The report {name} was written by {made}, not by {commit}."


def asked(command: str) -> Recipe | None:
    """Returns what a command runs; None for a command that is no experiment, such as ``make bench``.

    Raises:
        UndertoneError: it is no such command, or it has no such recipe or key.
    """
    words = shlex.split(command)
    given = [(word[2:], after) for word, after in pairwise([*words, "--"]) if word.startswith("--")]
    changes = tuple(
        after if name == "set" else f"{name}={'true' if after.startswith('--') else after}" for name, after in given
    )
    recipe: Recipe
    match words:
        case ["undertone", "run", name, *_]:
            recipe = recipes.read(name, changes)
        case ["undertone", "bench", "treat", name, *_]:
            recipe = recipes.read(f"treat/{name}", changes)
        case ["undertone", "bench", "guards", *_]:
            recipe = recipes.read("guards", changes)
        case ["undertone", "bench", "audit" | "measure" as verb, *_]:
            try:
                recipe = kind_of(f"{verb}-benchmark").spec.model_validate(dict(one.split("=", 1) for one in changes))
            except ValidationError as error:
                raise UndertoneError(f"{command}: {error.errors()[0]['msg']}.") from None
        case ["make", _] | ["python", "-m", *_]:
            return None
        case _:
            raise UndertoneError(f"{command} is neither undertone run, undertone bench, make nor python -m.")
    return recipe


def different(report: Mapping[str, Any], recipe: Recipe | None) -> list[str]:
    """Returns the settings that a report has otherwise than the recipe has them today. Titles decide nothing. Settings
    that only one of them has are passed over, since recipes gain and lose keys."""
    if recipe is None or "settings" not in report:
        return ["settings"] if recipe or "settings" in report else []
    there, here = flat(report["settings"]), flat(recipe.model_dump(mode="json"))
    keys = [key for key in here if key in there and key.rpartition(".")[2] != "title"]
    return [key for key in keys if there[key] != here[key]]


def about_commits(root: Path, entries: Entries) -> Iterator[str]:
    """Yields commits that the history lacks, and criteria that were not committed before the run. A copy of the files
    without a history has none."""
    if not (root / ".git").exists() or (root / ".git" / "shallow").exists():
        return

    def precedes(first: str, second: str) -> bool:
        words = ["git", "-C", str(root), "merge-base", "--is-ancestor", first, second]
        return subprocess.run(words, capture_output=True).returncode == 0

    for name, origin in entries.reports.items():
        for commit in filter(None, (origin.commit, origin.gathered)):
            if not precedes(commit, "HEAD"):
                yield f"The report {name}: the history has no commit {commit}."
        if origin.gone and not (precedes(origin.commit, origin.gone) and precedes(origin.gone, "HEAD")):
            yield f"The report {name}: its command went at {origin.gone}, which is not later than {origin.commit}."
    for row in entries.rows:
        for commit in {entries.reports[name].commit for name in row.reports if row.criteria}:
            if not precedes(str(row.criteria), commit):
                yield f'The row "{row.question}": its criteria, {row.criteria}, are not older than {commit}.'
        for commit in row.amended:
            if not (precedes(str(row.criteria), commit) and precedes(commit, "HEAD")):
                yield f'The row "{row.question}": {commit} is not later than its criteria, {row.criteria}.'
