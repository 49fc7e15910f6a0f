"""An experiment on files in front of a person."""

from __future__ import annotations

import json
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from undertone import costing, recipes
from undertone.auditing import quiet_libraries
from undertone.errors import UndertoneError
from undertone.finetunes.experiment import Measured, read, run
from undertone.finetunes.spec import Finetunes
from undertone.measuring import advancing
from undertone.models.spending import Budget, Limits
from undertone.report.hostile import one_line
from undertone.report.measure import coherent, share, shift_of
from undertone.running import default_folder, named, out_console
from undertone.showing import make_shown, progress_shown


def run_recipe(
    recipe: str,
    changes: tuple[str, ...],
    scale: float,
    out: Path | None,
    limits: Limits,
    dry_run: bool,
    as_json: bool,
) -> int:
    """``undertone run`` for a recipe of this kind. Returns the exit code."""
    spec = recipes.read_as(Finetunes, recipe, changes, scale)
    folder = named(out) if out else default_folder(Path(recipe).stem, spec)
    if dry_run:
        return costing.preview(spec.title, costing.of_finetunes(spec), folder, as_json)
    return run_shown(spec, folder, limits, as_json)


def run_again(folder: Path, out: Path | None, limits: Limits, as_json: bool) -> int:
    """Goes on with a run that was stopped, or shows a finished one again."""
    if out is not None:
        raise UndertoneError("Fine-tunes go on where they are: leave --out out, or give the recipe.")
    return run_shown(read(folder), named(folder), limits, as_json)


def run_shown(spec: Finetunes, folder: Path, limits: Limits, as_json: bool) -> int:
    """Runs it in front of a person, or for a program. Returns the exit code."""
    quiet_libraries()
    with progress_shown(quiet=as_json) as progress:
        found = run(
            spec,
            folder,
            lambda jobs, store: make_shown(jobs, store, quiet=True),
            Budget(limits),
            advancing(progress),
        )
    if as_json:
        print(json.dumps({one.arm: json.loads(one.findings.model_dump_json()) for one in found}))
        return 0
    console = out_console()
    console.print(_table(spec, found))
    for one in found:
        for line in (f"{one.arm}: {one.findings.headline}", str(one.page)):
            console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
    return 0


def _table(spec: Finetunes, found: list[Measured]) -> Table:
    table = Table(title=Text(spec.title), box=box.SIMPLE_HEAD, title_justify="left", show_edge=False)
    for column in ("arm", "suite"):
        table.add_column(column)
    for column in ("rate", "base", "controls", "shift [95 %]", "beyond controls [95 %]", "coherent (base)"):
        table.add_column(column, justify="right")
    for one in found:
        for suite in one.findings.suites:
            rates = [share(suite.rate), share(suite.base_rate), share(suite.benign_rate)]
            shifts = [shift_of(suite.shift, suite.ci), shift_of(suite.excess, suite.excess_ci)]
            cells = [one.arm, one_line(suite.name), *rates, *shifts, coherent(suite)]
            table.add_row(*map(Text, cells), style="" if suite.counts else "dim")
    return table
