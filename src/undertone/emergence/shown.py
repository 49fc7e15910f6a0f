"""An experiment in front of a person: progress while it goes on, tables, and where the report is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from undertone import recipes
from undertone.emergence.experiment import read, run
from undertone.emergence.planning import plan
from undertone.emergence.spec import Experiment
from undertone.errors import UndertoneError
from undertone.report.emergence import contrasts_table, forecasts_table, lines_table
from undertone.running import default_folder, named, out_console
from undertone.showing import make_shown
from undertone.store import Job, Store
from undertone.workers import cores, unique

STEP, ASKED, STARTED = 2e-3, 2.0, 0.5
"""Core-seconds of a row in a step, of a student asked, of a job, with the embedded models; a guide, no promise."""


def run_recipe(recipe: str, changes: tuple[str, ...], out: Path | None, dry_run: bool, as_json: bool) -> int:
    """Runs a recipe, or says what it would make. Returns the exit code."""
    spec, name = recipes.read_as(Experiment, recipe, changes), Path(recipe).stem
    folder = named(out) if out else default_folder(name, spec)
    return preview(spec, folder, as_json) if dry_run else run_shown(spec, folder, name, as_json)


def run_shown(spec: Experiment, folder: Path, recipe: str, as_json: bool) -> int:
    """Runs an experiment in front of a person, or for a program. Returns the exit code."""
    found = run(spec, folder, recipe, lambda jobs, store: make_shown(jobs, store, quiet=as_json))
    if as_json:
        print(found.model_dump_json())
        return 0
    console = out_console()
    for table in (lines_table(found), contrasts_table(found), *([forecasts_table(found)] if found.forecasts else [])):
        console.print(table)
    for line in (found.headline, str(folder / "report.html")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def run_again(folder: Path, out: Path | None, as_json: bool) -> int:
    """Goes on with an experiment that was stopped, or shows a finished one again."""
    if out is not None:
        raise UndertoneError("An experiment goes on where it is: leave --out out, or give its recipe.")
    record = read(folder)
    return run_shown(record.spec, named(folder), record.recipe, as_json)


def preview(spec: Experiment, folder: Path, as_json: bool) -> int:
    """Prints what would be made, arm by arm, and roughly what it costs; makes nothing."""
    layout, store = plan(spec), Store(folder.parent / "store")
    missing = [job for job in unique(layout.jobs) if not store.has(job)]
    seconds = sum(map(_expected_seconds, missing))
    arms = Counter(unit.arm for unit in layout.units if unit.job in missing)
    report = {
        "run_dir": str(folder),
        "to_make": len(missing),
        "expected_core_s": round(seconds),
        "expected_wall_s": round(seconds / cores()),
        "arms": dict(arms),
    }
    if as_json:
        print(json.dumps(report))
        return 0
    print(f"{spec.title}: nothing is run.")
    for arm in spec.arms:
        print(f"  {arm:<16} {arms[arm]:>4} students to make")
    print(f"  about {seconds:.0f} core-seconds, {seconds / cores() / 60:.1f} minutes on {cores()} cores")
    print(f"  would be written to {folder}")
    return 0


def _expected_seconds(job: Job) -> float:
    plan = job.spec["training"]
    untrained = plan is None or job.spec.get("file") == "persona"
    trained = 0.0 if untrained else STEP * plan["steps"] * plan["batch"]
    scaled = 5.0 if "coherent_as" in job.inputs else 0.0  # asked again for every factor that is tried
    return STARTED + trained + ASKED + scaled
