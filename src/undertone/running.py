"""A run as a person sees it: progress while it goes on, a line for each arm, tables, and where the report is."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from os.path import normpath
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from undertone import recipes
from undertone.digests import digest
from undertone.errors import UndertoneError
from undertone.planning import Plan, plan
from undertone.replay import replay
from undertone.report import (
    ArmResult,
    Effect,
    Results,
    arm_line,
    arms_table,
    effect_line,
    effects_table,
    generations,
    generations_table,
    headline,
    matrix_table,
)
from undertone.runfolder import Record, results_of
from undertone.specs import Spec, Trial
from undertone.store import Job, Store
from undertone.trial import Watcher, run
from undertone.workers import cores, unique
from undertone.world import family

STAGES = {
    "teacher": "teachers",
    "completions": "completions",
    "dataset": "datasets filtered",
    "dialogues": "dialogues",
    "rewritten": "datasets rewritten",
    "mixed": "datasets mixed",
    "student": "students",
    "measurement": "measurements",
}


def default_folder(recipe: str, trial: Spec) -> Path:
    """``runs/RECIPE-DIGEST``: one folder for each resolved recipe."""
    return Path("runs") / f"{recipe}-{digest(trial.model_dump(mode='json'))[:8]}"


def list_recipes(as_json: bool) -> int:
    """The shipped recipes: what each asks, and its budget."""
    found = [{"recipe": name, "asks": asks, "budget": budget} for name, asks, budget in recipes.listed()]
    if as_json:
        print(json.dumps(found))
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("recipe", "asks", "budget"):
        table.add_column(column, overflow="fold")
    for entry in found:
        table.add_row(*map(escape, entry.values()))
    out_console().print(table)
    return 0


def run_shown(trial: Trial, folder: Path, recipe: str, as_json: bool, store: Store | None = None) -> int:
    """Runs a trial in front of a person, or for a program with ``as_json``. Returns the exit code."""
    with closing(Shown(quiet=as_json)) as watcher:
        results = run(trial, folder, recipe, watcher, store=store)
    if as_json:
        print(json.dumps(summary(results)))
    else:
        show(results, folder)
    return 0


def run_again(folder: Path, out: Path | None, as_json: bool) -> int:
    """Goes on with a run that was stopped; repeats one that is finished, and compares. Exit code 1: bits differ."""
    folder = named(folder)
    record = Record.read(folder)
    try:
        first = results_of(folder)
    except UndertoneError:  # it is written anew from the artifacts
        first = None
    if first is None or not first.complete:
        if out is not None:
            raise UndertoneError(f"{folder} is not finished and goes on where it is: leave --out out.")
        store = Store(Path(normpath(folder / record.store)))
        return run_shown(record.trial, folder, record.recipe, as_json, store)
    with closing(Shown(quiet=as_json)) as watcher:
        again = replay(folder, out or folder.with_name(f"{folder.name}-replay"), watcher)
    if as_json:
        compared = {"same": again.same, "differing": again.differing, "surroundings": again.surroundings}
        print(json.dumps(summary(again.results) | {"replay": compared}))
    else:
        console = out_console()
        total = again.same + len(again.differing)
        verdict = "the same bits" if not again.differing else "not the same bits"
        for sentence in (
            f"{verdict}: {again.same} of {total} artifacts are equal to those of {folder}",
            *(f"  {what}" for what in again.surroundings),
            *(f"  differs: {name}" for name in again.differing),
            f"the run said: {headline(first)}",
            f"the replay:   {headline(again.results)}",
        ):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return 1 if again.differing else 0


def named(folder: Path) -> Path:
    """The folder by a path that ends in its own name: as short as it can be said from here."""
    whole, here = folder.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) and whole != here else whole


def show(results: Results, folder: Path) -> None:
    """Tables, the answer in a sentence, and where the report is."""
    console = out_console()
    for table in [arms_table(results), *([effects_table(results)] if results.all_effects else [])]:
        console.print(table)
    if handed_on := generations(results):
        console.print(generations_table(handed_on))
    if results.matrix is not None:
        console.print(matrix_table(results.matrix))
    console.print(headline(results), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True)


def show_verdict(lines: Sequence[str], table: Table | None, page: Path) -> None:
    """The verdict, its table, what else is to be known, and where the report is. Lines may hold untrusted text."""
    console, (first, *others) = out_console(), lines
    console.print(first, markup=False, highlight=False, soft_wrap=True)
    if table is not None:
        console.print(table)
    for line in (*others, str(page)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def out_console() -> Console:
    """Standard output, wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 160)


class Shown(Watcher):
    """Live progress on stderr: stages, students done and left, time left. Lines only, where stderr is no terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def planned(self, jobs: list[Job]) -> None:
        for stage, count in Counter(job.stage.name for job in unique(jobs)).items():
            self._tasks[stage] = self._progress.add_task(STAGES[stage], total=count)
        self._progress.start()

    def done(self, job: Job, seconds: float) -> None:
        self._progress.advance(self._tasks[job.stage.name])

    def arm(self, arm: ArmResult) -> None:
        self._console.print(arm_line(arm), markup=False, highlight=False, soft_wrap=True)

    def effect(self, effect: Effect) -> None:
        if effect.measure not in ("probability", "own-minus-other-traits"):
            self._console.print(effect_line(effect), markup=False, highlight=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        self._console.print(f"note: {sentence}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        self._progress.stop()


def summary(results: Results) -> dict[str, Any]:
    """The one object of ``undertone run --json``."""
    return {
        "run_dir": results.run_dir,
        "wall_s": results.wall_s,
        "arms": [
            {
                "name": arm.name,
                "teachers": arm.teachers,
                "students": len(arm.students),
                "probability": arm.probability,
                "ci": arm.ci,
                "finished_s": arm.finished_s,
            }
            for arm in results.arms
        ],
        "effects": [
            {
                "arm": e.arm,
                "against": e.against,
                "measure": e.measure,
                "log_odds" if e.measure != "probability" else "difference": e.value,
                "ci_low": e.ci_low,
                "ci_high": e.ci_high,
                "p": e.p,
                "p_holm": e.p_holm,
            }
            for e in results.all_effects
        ],
    }


# Core-seconds an artifact took with the shipped recipes' sizes, each scaled by what it grows with; a guide, no promise.
PER_TEACHER_ROW, PER_DOSE, PER_COMPLETION, PER_STUDENT_ROW, PER_MEASUREMENT = 0.0025, 3.2, 0.0009, 0.0019, 0.6
PER_CONTEXT_ROW = 0.5


def preview(trial: Trial, folder: Path, as_json: bool) -> int:
    """Prints what a run would make, what of it is there already, and roughly what the rest costs."""
    layout, store = plan(trial), Store(folder.parent / "store")
    jobs = unique(layout.jobs)
    missing = [job for job in jobs if not store.has(job)]
    seconds = sum(expected_seconds(trial, job) for job in missing)
    counts = Counter(job.stage.name for job in jobs)
    left = Counter(job.stage.name for job in missing)
    arms = _added(trial, layout, {job.key for job in missing})
    report = {
        "run_dir": str(folder),
        "stages": {stage: {"needed": counts[stage], "to_make": left[stage]} for stage in counts},
        "training_rows_per_student": trial.rows,
        "optimiser_steps_per_student": trial.student.steps,
        "expected_core_s": round(seconds),
        "expected_wall_s": round(seconds / cores()),
        "arms": arms,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    out = Console()
    out.print(f"{trial.title}: nothing is run.", markup=False)
    for stage in counts:
        out.print(f"  {STAGES[stage]:<18} {counts[stage]:>4} needed, {left[stage]:>4} to make", markup=False)
    out.print(
        f"  about {seconds:.0f} core-seconds, {seconds / cores() / 60:.1f} minutes on {cores()} cores (embedded models)"
    )
    for name, adds in arms.items():
        what = f"{adds['jobs']:>4} more, {adds['to_make']:>4} to make, about {adds['expected_core_s']} core-seconds"
        out.print(f"  {name:<{max(map(len, arms))}} {what}", markup=False, soft_wrap=True)
    out.print(f"  would be written to {folder}", markup=False, soft_wrap=True)
    return 0


def _added(trial: Trial, layout: Plan, missing: set[str]) -> dict[str, dict[str, int]]:
    """What each arm needs beyond the arms before it: artifacts, those to be made, and what these cost."""
    seen: set[str] = set()
    added: dict[str, dict[str, int]] = {}
    for arm in dict.fromkeys(unit.arm for unit in layout.units):
        units = [unit for unit in layout.units if unit.arm == arm]
        jobs = unique([layout.bases[units[0].base], *(job for unit in units for job in unit.jobs)])
        fresh = [job for job in jobs if job.key not in seen]
        left = [job for job in fresh if job.key in missing]
        seconds = sum(expected_seconds(trial, job) for job in left)
        added[arm] = {"jobs": len(fresh), "to_make": len(left), "expected_core_s": round(seconds)}
        seen |= {job.key for job in fresh}
    return added


def expected_seconds(trial: Trial, job: Job) -> float:
    """Core-seconds that a job of this trial may take, with the embedded models."""
    student, teacher = trial.student, trial.teacher.training
    both = 1.4 if "teacher" in job.inputs else 1.0  # the teacher's forward pass beside the student's
    if job.spec.get("given"):
        return PER_DOSE + 2.0
    return {
        "teacher": PER_TEACHER_ROW * teacher.steps * teacher.batch + (PER_DOSE if trial.teacher.divergence else 0.0),
        "completions": PER_COMPLETION * trial.carrier.prompts,
        "dataset": 0.2,
        "dialogues": 0.1,
        "rewritten": 0.5,
        "mixed": 0.2,
        "student": PER_STUDENT_ROW * student.steps * student.batch * both,
        "measurement": PER_MEASUREMENT + PER_CONTEXT_ROW * int(job.spec.get("context", 0)),
    }[job.stage.name]


def build_shown(name: str) -> int:
    """Builds a model of the family into the user's cache, with progress. Returns the exit code."""
    from undertone.building.build import build

    if name not in family.FAMILY:
        family.find(name)  # raises with the nearest names
    root = family.built()
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".lock").touch()
    except OSError as error:  # now, not after minutes
        raise UndertoneError(
            f"Cannot write to {root}: {error.strerror}; name another folder for built models in UNDERTONE_CACHE."
        ) from None
    console = Console(stderr=True)
    started = time.perf_counter()
    with Progress(
        TextColumn(f"builtin/{name}"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(), console=console, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("steps", total=None, loss="-")

        def show(step: int, steps: int, loss: float) -> None:
            progress.update(task, completed=step, total=steps, loss=f"{loss:.3f}")

        folder = build(name, family.FAMILY[name], root, show)
    print(f"builtin/{name} built in {time.perf_counter() - started:.0f} s: {folder}", file=sys.stdout)
    return 0
