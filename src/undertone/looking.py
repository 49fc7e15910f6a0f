"""Looking at what was run: the list of runs, reports drawn again or side by side, the chain behind an artifact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from undertone.disk import refusal
from undertone.errors import UndertoneError
from undertone.report import Comparison, Results, effect_line, flat, write_page
from undertone.report.headline import main_effect
from undertone.runfolder import FILE, RESULTS, Record, results_of, state_of
from undertone.running import named, out_console, show
from undertone.why import Link, chain, find

OTHERS = ("study.json", "experiment.json", "finetunes.json")
"""Records of what is run and is no trial."""


def list_runs(root: Path, as_json: bool) -> int:
    """Prints recipe, start, state and effect of every run below ``root``, the newest first."""
    if not root.is_dir():
        raise UndertoneError(f"{root} is no folder: give the one that holds the folders of the runs.")
    rows = sorted(_rows(root), key=lambda row: row["started"] or "", reverse=True)
    if as_json:
        print(json.dumps(rows))
        return 0
    table = Table(box=None)
    for heading in ("run", "recipe", "started", "state", "effect"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        started = f"{row['started']} ({row['clock']})" if row["clock"] else row["started"]
        cells = (row["run"], row["recipe"], started, row["state"], row["effect"])
        table.add_row(*(Text(str(cell or "-")) for cell in cells))
    console = out_console()
    console.print(table if rows else f"no runs in {root}", markup=False)
    return 0


def _rows(root: Path) -> Iterator[dict[str, Any]]:
    for folder in sorted({path.parent for name in (FILE, RESULTS, *OTHERS) for path in root.glob(f"*/{name}")}):
        if (folder / FILE).is_file():
            yield _row(folder)
        elif (row := _other(folder))["recipe"]:  # reports of audits and the like lie elsewhere, and have none
            yield row


def _blank(folder: Path) -> dict[str, Any]:
    return dict.fromkeys(("run", "recipe", "started", "clock", "state", "effect")) | {"run": str(folder)}


def _other(folder: Path) -> dict[str, Any]:
    """One run of what is no trial, as its report has it, or its record while there is no report."""
    report = _told(folder / RESULTS)
    told = report or next(filter(None, (_told(folder / name) for name in OTHERS)), {})
    row = _blank(folder) | {"recipe": told.get("recipe"), "started": str(told.get("started", ""))[:19] or None}
    row["state"] = "finished" if report else state_of(folder, None)
    return row | {"effect": str(told.get("headline") or told.get("title") or "").partition(". ")[0] or None}


def _told(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _row(folder: Path) -> dict[str, Any]:
    """One trial; what cannot be read is said in its place, and the other runs are shown all the same."""
    row = _blank(folder)
    try:
        record = Record.read(folder)
        results = results_of(folder)
    except UndertoneError as error:
        return row | {"state": "unreadable", "effect": str(error)}
    row |= {"recipe": record.recipe, "started": record.started.isoformat(timespec="seconds")}
    row["state"] = state_of(folder, results)
    row["clock"] = "after now: a clock was set back" if record.started > datetime.now(UTC) else None
    effect = main_effect(results) if results is not None else None
    told = effect_line(effect).strip() if effect is not None else None
    return row | {"effect": record.stopped if row["state"] == "stopped" and record.stopped else told}


def show_reports(folders: list[Path], out: Path) -> int:
    """Writes and shows the report of one run again, or of several side by side in ``out``."""
    runs = [_results(folder) for folder in dict.fromkeys(map(named, folders))]
    console = out_console()
    try:
        if len(runs) == 1:
            show(runs[0], Path(runs[0].run_dir))
            write_page(runs[0], Path(runs[0].run_dir))
            return 0
        comparison = Comparison(runs)
        for table in comparison.tables():
            console.print(table)
        comparison.write(out)
    except OSError as error:
        raise refusal(error, out if len(runs) > 1 else Path(runs[0].run_dir)) from None
    console.print(str(out), markup=False, highlight=False, soft_wrap=True)
    return 0


def _results(folder: Path) -> Results:
    if any((folder / name).is_file() for name in OTHERS):
        raise UndertoneError(f"{folder} holds what is no trial; to see it again: undertone run {folder}")
    results = results_of(folder)
    if results is None:
        raise UndertoneError(f"{folder} holds no report.json: it is no folder of a run, or no arm has finished yet.")
    # Under the name that the user gives now: the folder may have been moved.
    return results.model_copy(update={"run_dir": str(folder)})


def explain(artifact: str, as_json: bool) -> int:
    """Prints everything that made an artifact."""
    links = list(chain(find(artifact)))
    if as_json:
        print(json.dumps([link.as_json() for link in links]))
        return 0
    branches: list[Tree] = []
    for link in links:
        text = Text(_link(link))
        branch = branches[link.depth - 1].add(text) if link.depth else Tree(text)
        branches[link.depth :] = [branch]
    out_console().print(branches[0], soft_wrap=True)
    return 0


def _link(link: Link) -> str:
    role = f"{link.role}: " if link.role else ""
    if link.manifest is None:
        what = f"files of digest {link.source.key[:20]}" if link.is_model else "damaged, or no longer in the store"
        return f"{role}{link.source.name} ({what})"
    if link.seen:
        return f"{role}{link.source.name} (see above)"
    made = link.manifest
    settings = ", ".join(f"{key}={value}" for key, value in flat(made.spec).items())
    by = f"stage {made.stage} {made.version}, {made.seconds:.1f} s, torch {made.made_with.get('torch', 'unknown')}"
    return f"{role}{link.source.name}\n{by}\n{settings}"
