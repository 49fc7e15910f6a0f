"""The tables of README.md and docs/results.md, made of the entries and the kept reports."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from results.entries import Entries, Row
from results.places import filled
from undertone.errors import UndertoneError

DOCUMENTS = ("README.md", "docs/results.md")
MADE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
"""The part of a document that is made: its mark with the name of a table, and the table."""
HEAD = ("question", "answer, with 95 % intervals", "kind", "command", "commit")
"""The columns of docs/results.md, of which the README's table has the first three."""


def reports_in(folder: Path) -> dict[str, Any]:
    """Returns the kept reports by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def tables(entries: Entries, reports: Mapping[str, Any]) -> dict[str, str]:
    """Returns every table as Markdown, by name.

    Raises:
        UndertoneError: a placeholder leads to no figure, or a row rests on no report or on one that is not listed.
    """

    def cells(row: Row, question: str, answer: str) -> tuple[str, ...]:
        if not row.reports or not entries.reports.keys() >= set(row.reports):
            raise UndertoneError(f'The row "{row.question}" rests on no report, or on one that [reports] lacks.')
        origins = [entries.reports[name] for name in row.reports]
        amended = f", amended during the run {' '.join(row.amended)}" if row.amended else ""
        kind = f"{row.kind}{f', criteria {row.criteria}{amended}' if row.criteria else ''}; looks: {row.looks}"
        commits = dict.fromkeys(
            one.commit + (f", gathered anew {one.gathered}" if one.gathered else "") for one in origins
        )
        commands = ", ".join(f"`{one.command}`{' (since removed)' if one.gone else ''}" for one in origins)
        try:
            found = filled(answer, reports, row.looks)
        except UndertoneError as error:
            raise UndertoneError(f'The row "{row.question}": {error}') from None
        return question, found, kind, commands, "; ".join(commits)

    rows = entries.rows
    return {
        "headline": _table(
            HEAD[:3], (cells(row, row.asked, row.headline)[:3] for row in rows if row.asked and row.headline)
        ),
        "all": _table(("published", *HEAD), ((row.published, *cells(row, row.question, row.answer)) for row in rows)),
    }


def written(document: str, made: Mapping[str, str]) -> str:
    """Returns a document with its tables. Marks of tables that there are not stay empty."""
    return MADE.sub(lambda found: f"{found[1]}\n{made.get(found[2], '')}\n", document)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ("---",) * len(head), *rows))
