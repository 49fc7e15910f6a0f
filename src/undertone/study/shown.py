"""A study in front of a person: progress while it goes on, tables, and where the report is."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from undertone import recipes
from undertone.errors import UndertoneError
from undertone.planning import plan
from undertone.report.study import page_of
from undertone.report.theory import terminal_table
from undertone.running import Shown, default_folder, expected_seconds, named, out_console
from undertone.specs import Trial
from undertone.store import Job, Store
from undertone.study.spec import Kin, Study
from undertone.study.study import KINDS, read, run
from undertone.workers import cores
from undertone.world import family


def run_recipe(kind: str, recipe: str, changes: tuple[str, ...], out: Path | None, dry_run: bool, as_json: bool) -> int:
    """Runs a recipe, or says what it would make. Returns the exit code."""
    study = recipes.read_as(KINDS[kind].spec, recipe, changes)
    name = Path(recipe).stem
    _refuse_unbuilt(study)
    folder = named(out) if out else default_folder(name, study)
    return preview(study, folder, as_json) if dry_run else run_shown(kind, study, folder, name, as_json)


def run_shown(kind: str, study: Study, folder: Path, recipe: str, as_json: bool) -> int:
    """Runs a study in front of a person, or for a program. Returns the exit code."""
    with closing(Shown(quiet=as_json)) as watcher:
        found = run(kind, study, folder, recipe, watcher)
    if as_json:
        print(json.dumps({"run_dir": str(folder)} | found.model_dump(mode="json")))
        return 0
    console, page = out_console(), page_of(found)
    for section in page.sections:
        console.print(terminal_table(section.grid))
    for line in (page.headline, str(folder / "report.html")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def run_again(folder: Path, out: Path | None, as_json: bool) -> int:
    """Goes on with a study that was stopped, or shows a finished one again."""
    if out is not None:
        raise UndertoneError("A study goes on where it is: leave --out out, or give its recipe.")
    recipe, kind, study = read(folder)
    return run_shown(kind, study, named(folder), recipe, as_json)


def _refuse_unbuilt(study: Study) -> None:
    """Names all models that have to be built first, not one after the other."""
    wanted = study.models if isinstance(study, Kin) else ()
    missing = [name for name in wanted if name.startswith("builtin/") and not family.is_here(name[len("builtin/") :])]
    if missing:
        names = " ".join(name[len("builtin/") :] for name in missing)
        raise UndertoneError(
            f"{len(missing)} of its {len(wanted)} models are not built yet: undertone models build {names}"
        )


def preview(study: Study, folder: Path, as_json: bool) -> int:
    """Prints what would be made, point by point, and roughly what it costs; makes nothing."""
    store = Store(folder.parent / "store")
    costs: dict[str, float] = {}
    points: dict[str, dict[str, int]] = {}
    for key, trial in study.trials().items():
        fresh = _missing(trial, store, costs)
        costs |= fresh
        points[" ".join(key)] = {"to_make": len(fresh), "expected_core_s": round(sum(fresh.values()))}
    seconds = sum(costs.values())
    report = {
        "run_dir": str(folder),
        "to_make": len(costs),
        "expected_core_s": round(seconds),
        "expected_wall_s": round(seconds / cores()),
        "points": points,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    console = out_console()
    lines = [f"{study.title}: nothing is run."]
    for name, adds in points.items():
        lines.append(f"  {name:<40} {adds['to_make']:>4} more to make, about {adds['expected_core_s']} core-seconds")
    lines.append(f"  about {seconds:.0f} core-seconds, {seconds / cores() / 60:.1f} minutes on {cores()} cores")
    lines.append(f"  would be written to {folder}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _missing(trial: Trial, store: Store, known: dict[str, float]) -> dict[str, float]:
    """Core-seconds of what this point needs, and neither the store nor an earlier point has."""
    jobs: list[Job] = plan(trial).jobs
    return {job.key: expected_seconds(trial, job) for job in jobs if job.key not in known and not store.has(job)}
