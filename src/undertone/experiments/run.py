"""Runs an experiment of any kind: claims the folder, runs the jobs, checks each, gathers findings, writes the report.

An artifact in the store is never made again, so a run that was stopped continues, and runs share artifacts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing, nullcontext
from os.path import relpath
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertone.engine import environment
from undertone.engine.executor import Executor, executing
from undertone.engine.folder import REPORT, Record, claimed, record_of
from undertone.engine.progress import Watcher
from undertone.engine.schedule import run_jobs, unique
from undertone.engine.store import Folder, Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import KINDS, F, Kind, Made, P, Plan, S, kind_of
from undertone.models.services.spending import Limits
from undertone.report.findings import Findings, presenting
from undertone.report.html import PAGE, write
from undertone.report.page import Page
from undertone.spec import Recipe


def run(
    spec: Recipe,
    folder: Path,
    recipe: str = "",
    watcher: Watcher | None = None,
    executor: Executor | None = None,
    store: Store | None = None,
    limits: Limits | None = None,
) -> Any:
    """Runs an experiment of any kind, writes its report to ``folder`` and returns its findings. Artifacts go to
    ``store``, by default ``store`` beside ``folder``. A run that was stopped continues. The report of a finished run
    stays as it is, unless one of its artifacts has to be made again.

    Raises:
        UndertoneError: an unknown name, a refused teacher, a folder that cannot be written or holds another run, a full
            disk, a worker that was killed twice.
    """
    made = Made(spec, recipe or folder.name, folder, store or Store(folder.parent / "store"), limits or Limits())
    with executing(executor) if executor else nullcontext():
        return carry_out(kind_of(spec.kind), spec, made, watcher or Watcher())


def carry_out(kind: Kind[S, P, F], spec: S, made: Made, watcher: Watcher) -> F:
    """Does the work of :func:`run`. ``made`` must not hold any job yet."""
    plan, folder, store = kind.plan(spec), made.folder, made.store
    arms, jobs = [{job.key for job in jobs} for jobs in plan.arms.values()], unique(plan.jobs)
    arms_of: dict[str, list[set[str]]] = {}
    for keys in arms:
        for key in keys:
            arms_of.setdefault(key, []).append(keys)
    if not arms:
        raise UndertoneError(f"{made.recipe} has nothing to make: give it at least one arm.")
    record = record_of(spec.kind, made.recipe, spec, inputs_of(plan), relpath(store.root, folder), made.started)
    made.advance, found, told, quiet_until = watcher.advanced, None, set[str](), 0.0
    with claimed(folder, record) as claim:
        made.started = claim.record.started
        before = findings_in(folder, kind) if claim.finished_before else None
        watcher.planned(jobs)
        with closing(run_jobs(jobs, store, warn=watcher.warn)) as finished:
            for job, seconds in finished:
                made.note(job, seconds)
                watcher.done(job, seconds)
                kind.check(spec, plan, job, made, watcher.warn)
                if seconds:
                    before = found = None
                last = len(made.jobs) == len(jobs)
                whole = False
                for keys in arms_of.get(job.key, ()):
                    keys.discard(job.key)
                    whole |= not keys
                if not (whole or last):
                    continue
                if before is not None:
                    found = before
                elif kind.partial or last:
                    found = kind.gather(spec, plan, made)
                for line in kind.lines(spec, plan, made, found):
                    if line not in told:
                        watcher.said(line)
                        told.add(line)
                if found is not None and (last or (before is None and made.elapsed > quiet_until)):
                    page, start = found.page(), made.elapsed
                    for name, part in kind.parts(found).items():
                        write(part, part.page(), folder / name)
                    write(found, page, folder)
                    claim.note(said=page.headline, artifacts=dict(made.artifacts))
                    quiet_until = made.elapsed + 10 * (made.elapsed - start)  # drawing figures takes a while
        assert found is not None, "findings are gathered after the last job"
        claim.note(finished=True)
        for sentence in made_elsewhere(store.manifest(job).made_with for job in jobs):
            watcher.warn(sentence)
    return found


def inputs_of(plan: Plan) -> dict[str, str]:
    """Returns the digests of the models and of the user's files that an experiment starts from, by name."""
    sources = (source for job in plan.jobs for source in job.inputs.values())
    named = (source for source in sources if isinstance(source, Folder) and source.name)
    return {name: key for source in named for name, key in source.digests.items()} | plan.models


def findings_in(folder: Path, kind: Kind[Any, Any, F]) -> F | None:
    """Returns the findings in a folder's report; None if the report is missing or damaged."""
    try:
        return kind.findings.load(folder / REPORT)
    except UndertoneError:
        return None


def made_elsewhere(made_with: Iterable[Mapping[str, str]]) -> list[str]:
    """Returns a sentence for each way in which artifacts were made with other versions or hardware than this run's."""
    here, found, count = environment.versions() | environment.hardware(), Counter[str](), 0
    for made in made_with:
        count += 1
        found.update(
            f"{what} {made.get(what, 'unknown')} (here {now})" for what, now in here.items() if made.get(what) != now
        )
    return [f"{n} of {count} artifacts were made before, with {how}." for how, n in found.items()]


def spec_in(record: Record, folder: Path) -> Recipe:
    """Returns the spec of a recorded run.

    Raises:
        UndertoneError: the folder holds no run of an experiment, or the record is of another version of Undertone.
    """
    try:
        spec: Recipe = _kind_in(record, folder).spec.model_validate(record.spec)
    except ValidationError:
        raise UndertoneError(
            f"The recipe in {folder} is of another version of Undertone, or damaged; give the recipe and another --out."
        ) from None
    return spec


def report_of(folder: Path) -> Page:
    """Returns the page of a run, drawn again from the numbers in its report.

    Raises:
        UndertoneError: the folder holds no run of an experiment, or the run has no report yet, or a damaged one.
    """
    kind = _kind_in(Record.read(folder), folder)
    found: Findings = kind.findings.load(folder / REPORT)
    with presenting(folder / REPORT):
        return found.page()


def _kind_in(record: Record, folder: Path) -> Kind[Any, Any, Any]:
    if record.kind not in KINDS:
        raise UndertoneError(
            f"{folder} holds no run of an experiment, but the report of undertone {record.kind.partition('-')[0]}; its "
            f"page is {folder / PAGE}."
        )
    return kind_of(record.kind)
