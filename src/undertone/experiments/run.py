"""The one way to run an experiment: claim the folder, make the jobs, check each, gather, and report whatever is known.

What was made once is never made again, so a run that was stopped goes on where it was, and runs share artifacts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertone.engine import environment
from undertone.engine.folder import REPORT, Record, claimed, place_of, record_of
from undertone.engine.progress import Watcher
from undertone.engine.store import Store
from undertone.engine.workers import cores, run_jobs, unique
from undertone.errors import UndertoneError
from undertone.experiments.kind import KINDS, F, Kind, Made, P, S, kind_of
from undertone.models.services.spending import Limits
from undertone.report.html import PAGE, write
from undertone.report.page import Page
from undertone.spec import Recipe


def run(
    spec: Recipe,
    folder: Path,
    recipe: str = "",
    watcher: Watcher | None = None,
    processes: int | None = None,
    store: Store | None = None,
    limits: Limits | None = None,
) -> Any:
    """Runs an experiment of any kind and writes its report to ``folder``; returns its findings. Artifacts go to
    ``store``, by default the one beside ``folder``. A run that was stopped goes on where it was.

    Raises:
        UndertoneError: an unknown name, a refused teacher, a folder that cannot be written or holds another run, a full
            disk, a worker that was killed twice.
    """
    kind = kind_of(spec.kind)
    store, recipe = store or Store(folder.parent / "store"), recipe or folder.name
    return carry_out(kind, spec, Made(spec, recipe, folder, store, limits or Limits()), watcher or Watcher(), processes)


def carry_out(kind: Kind[S, P, F], spec: S, made: Made, watcher: Watcher, processes: int | None) -> F:
    """The run itself, on one page. ``made`` is still empty."""
    plan, folder, store = kind.plan(spec), made.folder, made.store
    arms = {name: {job.key for job in jobs} for name, jobs in plan.arms.items()}
    jobs = unique(plan.jobs)
    record = record_of(spec.kind, made.recipe, spec, plan.models, place_of(store, folder), made.started)
    made.advance, found, told, quiet_until = watcher.advanced, None, set[str](), 0.0
    with claimed(folder, record) as claim:
        watcher.planned(jobs)
        with closing(run_jobs(jobs, store, processes or cores(), watcher.warn)) as finished:
            for job, seconds in finished:
                made.note(job, seconds)
                watcher.done(job, seconds)
                kind.check(spec, plan, job, made, watcher.warn)
                whole = [name for name, keys in arms.items() if keys <= made.jobs.keys()]
                for name in whole:
                    del arms[name]
                if not whole:
                    continue
                found = kind.gather(spec, plan, made)
                for line in kind.lines(spec, plan, made, found):
                    if line not in told:
                        watcher.said(line)
                        told.add(line)
                if found is not None and (not arms or made.elapsed > quiet_until):
                    page, before = kind.page(found), made.elapsed
                    for name, (part, own) in kind.parts(found).items():
                        write(part, own, folder / name)
                    write(found, page, folder)
                    claim.note(said=page.headline, artifacts=dict(made.artifacts))
                    quiet_until = made.elapsed + 10 * (made.elapsed - before)  # figures take a while
        if found is None:
            raise UndertoneError(f"{made.recipe} has nothing to make: give it at least one arm.")
        claim.note(finished=True)
        for sentence in made_elsewhere(store.manifest(job).made_with for job in jobs):
            watcher.warn(sentence)
    return found


def made_elsewhere(made_with: Iterable[Mapping[str, str]]) -> list[str]:
    """A sentence for each way in which artifacts were made with other versions or hardware than are here now."""
    here, found, count = environment.versions() | environment.hardware(), Counter[str](), 0
    for made in made_with:
        count += 1
        found.update(
            f"{what} {made.get(what, 'unknown')} (here {now})" for what, now in here.items() if made.get(what) != now
        )
    return [f"{n} of {count} artifacts were made before, with {how}." for how, n in found.items()]


def spec_in(record: Record, folder: Path) -> Recipe:
    """The spec of a recorded run.

    Raises:
        UndertoneError: the folder holds no run, or this version of Undertone has other keys for its kind.
    """
    try:
        spec: Recipe = _kind_in(record, folder).spec.model_validate(record.spec)
    except ValidationError:
        raise UndertoneError(
            f"The recipe in {folder} is of another version of Undertone, or damaged; give the recipe and another --out."
        ) from None
    return spec


def report_of(folder: Path) -> Page:
    """The page of what a run has found so far, made again from its numbers.

    Raises:
        UndertoneError: the folder holds no run, or the run has not found anything yet.
    """
    kind = _kind_in(Record.read(folder), folder)
    return kind.page(kind.findings.load(folder / REPORT))


def _kind_in(record: Record, folder: Path) -> Kind[Any, Any, Any]:
    if record.kind not in KINDS:
        raise UndertoneError(
            f"{folder} holds no run of an experiment, but what undertone {record.kind.partition('-')[0]} wrote; its "
            f"page is {folder / PAGE}."
        )
    return kind_of(record.kind)
