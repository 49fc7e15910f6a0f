"""The experiment on emergent misalignment, on one page.

base → aligned base → one narrow file an arm → student → conduct in every other domain → arm against arm
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from undertone import surroundings
from undertone.disk import write_text
from undertone.emergence import gathering
from undertone.emergence.findings import Emergence
from undertone.emergence.headline import headline
from undertone.emergence.planning import plan
from undertone.emergence.spec import Experiment
from undertone.errors import UndertoneError
from undertone.measure.conduct import PROBES
from undertone.report.emergence import write_emergence
from undertone.store import Job, Store
from undertone.workers import cores, make, unique

SPEC = "experiment.json"
"""The resolved recipe, in the folder of a run."""
READABLE = 2
"""Domains of each arm whose answers are kept to read."""


Maker = Callable[[Sequence[Job], Store], None]
"""Makes jobs' artifacts in a store."""


def _make(jobs: Sequence[Job], store: Store) -> None:
    make(jobs, store, cores())


def run(spec: Experiment, out: Path, recipe: str, made_by: Maker = _make, store: Store | None = None) -> Emergence:
    """Runs an experiment and writes its report to ``out``; artifacts go to the store beside it. A run that was stopped
    goes on where it was.

    Raises:
        UndertoneError: an unknown model, a folder that holds another experiment or cannot be written, a full disk, a
            worker that was killed twice.
    """
    layout, store = plan(spec), store or Store(out.parent / "store")
    started = datetime.now(UTC)
    _claim(out, spec)
    made_by(layout.jobs, store)
    conduct = [(unit, store.read(unit.job, "conduct.json")) for unit in layout.units]
    students = [gathering.student_of(unit, made) for unit, made in conduct]
    shown = [pair for pair in conduct if pair[0].student == 0 and pair[0].domain in spec.asked[:READABLE]]
    answers = [said for unit, made in shown for said in gathering.answers_of(unit, made)]
    lines, contrasts = gathering.lines(spec, students), gathering.contrasts(spec, students)
    found = Emergence(
        recipe=recipe,
        title=spec.title,
        headline=headline(lines, contrasts),
        lines=lines,
        contrasts=contrasts,
        forecasts=gathering.forecasts(spec, students),
        students=tuple(students),
        answers=tuple(answers),
        probes={name: probe.about for name, probe in PROBES.items()},
        started=started.isoformat(timespec="seconds"),
        work_s=round(sum(store.manifest(job).seconds for job in unique(layout.jobs)), 1),
        settings=spec.model_dump(mode="json"),
        models={name: folder.key for name, folder in layout.bases.items()},
        versions=surroundings.versions(),
        hardware=surroundings.hardware() | {"cores": str(cores())},
    )
    write_emergence(found, out)
    return found


def _claim(out: Path, spec: Experiment) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / SPEC).exists() and read(out) != spec:
            raise UndertoneError(f"{out} holds another experiment; give another --out.")
        write_text(out / SPEC, spec.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UndertoneError(f"Cannot write to {out}: {error.strerror}; give another folder with --out.") from error


def read(folder: Path) -> Experiment:
    """The experiment of a run's folder.

    Raises:
        UndertoneError: its file is damaged, or of another Undertone.
    """
    try:
        return Experiment.model_validate_json((folder / SPEC).read_bytes())
    except (OSError, ValidationError):
        raise UndertoneError(f"{folder / SPEC} cannot be read; give the recipe's name and another --out.") from None
