"""The experiment on files, on one page: base → one file an arm → students → each measured against base and controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.alignment.findings import Findings
from undertone.alignment.measure import measure
from undertone.alignment.request import Progress, Request
from undertone.digests import digest
from undertone.finetunes.spec import Finetunes
from undertone.models.names import resolve
from undertone.models.spending import Budget
from undertone.report.measure import write_measurement
from undertone.runfolder import held, record_in
from undertone.store import Folder, Job, Stage, Store

STUDENT = Stage("fine-tuned", 1, "undertone.finetunes.student:run")
FILE = "finetunes.json"
"""What was run, in the folder of a run."""
Maker = Callable[[Sequence[Job], Store], None]
"""Makes jobs' artifacts in a store."""


@dataclass(frozen=True)
class Measured:
    """What was found of one arm, and where its page is."""

    arm: str
    findings: Findings
    page: Path


def plan(spec: Finetunes) -> dict[str, list[Job]]:
    """The students of every arm. Student *i* of each has the same seed.

    Raises:
        UndertoneError: an unknown model, or a file that is missing.
    """
    base, files = resolve(spec.base), {name: Folder.of_file(arm.file) for name, arm in spec.arms.items()}
    return {
        name: [Job(STUDENT, _student(spec, i), {"base": base, "file": file}) for i in range(spec.students)]
        for name, file in files.items()
    }


def _student(spec: Finetunes, i: int) -> dict[str, object]:
    training = spec.student.training(spec.rows).model_dump(mode="json")
    return {"base": spec.base, "rows": spec.rows, "draw": spec.seed, "training": training, "seed": _seed(spec, i)}


def _seed(spec: Finetunes, i: int) -> int:
    return int(digest([spec.seed, "finetunes", i])[:8], 16) >> 1


def run(
    spec: Finetunes,
    out: Path,
    made_by: Maker,
    budget: Budget,
    progress: Progress = lambda what, done, total: None,
) -> list[Measured]:
    """Trains what is missing and measures every arm that has controls, a report each in ``out``. A run that was stopped
    goes on where it was: artifacts are in the store beside ``out``, answers in ``answers`` there.

    Raises:
        UndertoneError: an unknown model, suite or judge, a file that cannot be read, a folder that holds another run,
            or what ends a measurement.
    """
    jobs, store = plan(spec), Store(out.parent / "store")
    with held(out, FILE, spec):
        made_by([job for students in jobs.values() for job in students], store)
        names = {arm: tuple(f"{spec.base}:{store.folder(job)}" for job in own) for arm, own in jobs.items()}
        return [_measured(spec, arm, names, out, budget, progress) for arm in spec.measured]


def _measured(
    spec: Finetunes, arm: str, names: dict[str, tuple[str, ...]], out: Path, budget: Budget, progress: Progress
) -> Measured:
    request = Request(
        models=names[arm],
        base=spec.base,
        benign=tuple(name for other in spec.arms[arm].against for name in names[other]),
        suites=spec.suites,
        judge=spec.judge,
        effect=spec.effect,
        samples=spec.samples,
        max_tokens=spec.max_tokens,
        seed=spec.seed,
    )
    findings = measure(request, out.parent / "answers", progress, budget).findings
    return Measured(arm, findings, write_measurement(findings, out / arm))


def read(folder: Path) -> Finetunes:
    """What was run in a folder.

    Raises:
        UndertoneError: its file is damaged, or of another Undertone.
    """
    return record_in(folder, FILE, Finetunes)
