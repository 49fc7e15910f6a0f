"""An experiment of the theory in front of a person: progress, tables, the answer, and where the report is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from undertone import recipes, surroundings
from undertone.auditing import quiet_libraries, refuse_unwritable
from undertone.digests import digest
from undertone.errors import UndertoneError, unknown
from undertone.report.theory import page_of, terminal_table, write_theory
from undertone.runfolder import FILE
from undertone.running import named, out_console
from undertone.showing import progress_shown
from undertone.theory import digits, theorem
from undertone.theory.findings import DigitsFindings, Findings, TheoremFindings
from undertone.theory.images import CLASSES
from undertone.theory.specs import Digits, Theorem
from undertone.workers import cores

# Core-seconds with the shipped recipes' sizes, each scaled by what it grows with; a guide, no promise.
PER_PRODUCT = 1.1e-10
"""A multiplication of one image by one weight, forwards and backwards."""
PER_START, PER_LESSON = 0.2, 9.0
PIXELS, MNIST = 64, 784


@dataclass(frozen=True)
class Experiment:
    """What stands behind a recipe's ``experiment``."""

    spec: type[Digits] | type[Theorem]
    findings: type[DigitsFindings] | type[TheoremFindings]
    run: Callable[..., dict[str, Any]]
    core_seconds: Callable[[Any], float]
    made: Callable[[Any], str]
    """What would be made, in words."""


def _digits_cost(spec: Digits) -> float:
    pixels, outputs = MNIST if spec.images else PIXELS, CLASSES + max(spec.auxiliary)
    weights = spec.models * (pixels * spec.hidden + spec.hidden**2 + spec.hidden * outputs)
    taught, imitated = (plan.steps * plan.batch for plan in (spec.teacher, spec.student))
    # A student's teacher runs forwards beside it, which is a third of a step.
    return PER_PRODUCT * weights * (taught + imitated * len(digits.kinds(spec)) * 4 / 3)


EXPERIMENTS = {
    "digits": Experiment(
        Digits,
        DigitsFindings,
        digits.run,
        _digits_cost,
        lambda spec: f"{spec.models} teachers, {spec.models * len(digits.kinds(spec))} students",
    ),
    "theorem": Experiment(
        Theorem,
        TheoremFindings,
        theorem.run,
        # One process: libraries swap weights in and out of a model, which threads must not.
        lambda spec: cores() * (PER_START * spec.starts + PER_LESSON * len(spec.traits)),
        lambda spec: f"steps of {spec.starts} classifiers and of {spec.base} after {len(spec.traits)} lessons",
    ),
}


def run_shown(name: str, recipe: str, changes: tuple[str, ...], out: Path | None, dry_run: bool, as_json: bool) -> int:
    """Runs an experiment in front of a person, or for a program with ``as_json``. Returns the exit code."""
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    kind = EXPERIMENTS[name]
    spec = recipes.read_as(kind.spec, recipe, changes)
    settings = spec.model_dump(mode="json")
    folder = named(out) if out else Path("runs") / f"{Path(recipe).stem}-{digest(settings)[:8]}"
    if dry_run:
        return _preview(kind, spec, folder, as_json)
    refuse_unwritable(folder)
    if (folder / FILE).exists():
        raise UndertoneError(f"{folder} holds the run of a trial: give another folder with --out.")
    quiet_libraries()
    torch.set_num_threads(1)  # more would wait for one another, and change bits
    started, at = datetime.now(UTC), time.perf_counter()
    with progress_shown(quiet=as_json) as progress:
        task = progress.add_task("", total=None)
        own = kind.run(
            spec, lambda what, done, total: progress.update(task, description=what, completed=done, total=total)
        )
    findings = kind.findings(
        title=spec.title,
        recipe=Path(recipe).stem,
        settings=settings,
        versions=surroundings.versions() | {"scikit-learn": version("scikit-learn")},
        hardware=surroundings.hardware(),
        started=started,
        wall_s=round(time.perf_counter() - at, 1),
        **own,
    )
    page = write_theory(findings, folder)
    if as_json:
        print(json.dumps({"run_dir": str(folder)} | findings.model_dump(mode="json")))
    else:
        _show(findings, page)
    return 0


def _show(findings: Findings, path: Path) -> None:
    console, page = out_console(), page_of(findings)
    for section in page.sections:
        console.print(terminal_table(section.grid))
    for line in (page.headline, str(path)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _preview(kind: Experiment, spec: Digits | Theorem, folder: Path, as_json: bool) -> int:
    seconds = kind.core_seconds(spec)
    report = {"run_dir": str(folder), "expected_core_s": round(seconds), "expected_wall_s": round(seconds / cores())}
    if as_json:
        print(json.dumps(report))
        return 0
    console = out_console()
    for line in (
        f"{spec.title}: nothing is run.",
        f"  {kind.made(spec)}",
        f"  about {seconds / cores() / 60:.1f} minutes on {cores()} cores",
        f"  would be written to {folder}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0
