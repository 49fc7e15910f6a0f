"""The experiment on emergent misalignment, on one page.

base → aligned base, or as it is → one narrow file an arm → student → conduct in every other domain → arm against arm
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from undertone import surroundings
from undertone.emergence import gathering
from undertone.emergence.findings import Emergence
from undertone.emergence.headline import headline
from undertone.emergence.planning import plan
from undertone.emergence.spec import Experiment
from undertone.measure.conduct import PROBES
from undertone.report.emergence import write_emergence
from undertone.runfolder import held, record_in
from undertone.specs import Spec
from undertone.store import Job, Store
from undertone.workers import cores, make, unique

FILE = "experiment.json"
"""What was run, in the folder of a run."""
READABLE = 2
"""Domains of each arm whose answers are kept to read."""


class Recorded(Spec):
    """What is kept of an experiment: all that is needed to go on with it."""

    recipe: str
    spec: Experiment


Maker = Callable[[Sequence[Job], Store], None]
"""Makes jobs' artifacts in a store."""


def _make(jobs: Sequence[Job], store: Store) -> None:
    make(jobs, store, cores())


def run(spec: Experiment, out: Path, recipe: str, made_by: Maker = _make) -> Emergence:
    """Runs an experiment and writes its report to ``out``; artifacts go to the store beside it. A run that was stopped
    goes on where it was.

    Raises:
        UndertoneError: an unknown model, a folder that holds something else, is in use or cannot be written, a full
            disk, a worker that was killed twice.
    """
    with held(out, FILE, Recorded(recipe=recipe, spec=spec)):
        found = _found(spec, recipe, made_by, Store(out.parent / "store"))
        write_emergence(found, out)
    return found


def _found(spec: Experiment, recipe: str, made_by: Maker, store: Store) -> Emergence:
    layout, started = plan(spec), datetime.now(UTC)
    made_by(layout.jobs, store)
    conduct = [(unit, store.read(unit.job, "conduct.json")) for unit in layout.units]
    students = [gathering.student_of(spec, unit, made) for unit, made in conduct]
    shown = [pair for pair in conduct if pair[0].student == 0 and pair[0].domain in spec.asked[:READABLE]]
    answers = [said for unit, made in shown for said in gathering.answers_of(spec, unit, made)]
    lines, contrasts = gathering.lines(spec, students), gathering.contrasts(spec, students)
    return Emergence(
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


def read(folder: Path) -> Recorded:
    """What was run in a folder.

    Raises:
        UndertoneError: its file is damaged, or of another Undertone.
    """
    return record_in(folder, FILE, Recorded)
