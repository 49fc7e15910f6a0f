"""A study, on one page: a trial at every point, all in one store, then what the points say together.

Points share whatever they have in common: an artifact that several need is made once, and points that differ in the
student alone have the same teachers and the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertone import surroundings
from undertone.contrasts import effects
from undertone.gathering import Gathered, made_elsewhere
from undertone.planning import Plan, plan
from undertone.report.results import Effect
from undertone.report.study import write_study
from undertone.runfolder import held, record_in, unreadable
from undertone.specs import Spec, Trial
from undertone.store import Store
from undertone.study import crossing, sweep
from undertone.study.findings import KinFindings, SweepFindings
from undertone.study.point import Result
from undertone.study.spec import Key, Kin, Study, Sweep
from undertone.trial import Watcher, check, tell
from undertone.workers import cores, run_jobs, unique

FILE = "study.json"
"""What was run, in the folder of a run."""


@dataclass(frozen=True)
class Kind:
    """What stands behind a recipe's ``experiment``."""

    spec: type[Sweep] | type[Kin]
    findings: type[SweepFindings] | type[KinFindings]
    compare: Callable[[Any, Mapping[Key, Result]], dict[str, Any]]


KINDS = {
    "sweep": Kind(Sweep, SweepFindings, sweep.findings),
    "kin": Kind(Kin, KinFindings, crossing.findings),
}


class Recorded(Spec):
    """What is kept of a study: all that is needed to go on with it."""

    recipe: str
    kind: str
    spec: dict[str, Any]


def run(kind: str, study: Study, out: Path, recipe: str, watcher: Watcher) -> SweepFindings | KinFindings:
    """Runs a study and writes its report to ``out``; artifacts go to the store beside it. A study that was stopped
    goes on where it was.

    Raises:
        UndertoneError: an unknown model or trait, a refused teacher, too few rows, a folder that holds something else,
            is in use or cannot be written, a full disk, a worker that was killed twice.
    """
    started, at = datetime.now(UTC), time.perf_counter()
    trials = study.trials()
    layouts = {key: plan(trial) for key, trial in trials.items()}
    record = Recorded(recipe=recipe, kind=kind, spec=study.model_dump(mode="json"))
    with held(out, FILE, record):
        results = _made(study, trials, layouts, Store(out.parent / "store"), watcher)
        found = KINDS[kind].findings(
            title=study.title,
            recipe=recipe,
            settings=study.model_dump(mode="json"),
            versions=surroundings.versions(),
            hardware=surroundings.hardware() | {"cores": str(cores())},
            started=started,
            wall_s=round(time.perf_counter() - at, 1),
            **KINDS[kind].compare(study, results),
        )
        write_study(found, out)
    return found


def _made(
    study: Study, trials: Mapping[Key, Trial], layouts: Mapping[Key, Plan], store: Store, watcher: Watcher
) -> dict[Key, Result]:
    """Makes every artifact; refuses, as a trial does, what would make arms unequal."""
    jobs = unique([job for layout in layouts.values() for job in layout.jobs])
    gathered = {key: Gathered(trials[key], layouts[key], store) for key in trials}
    points: dict[str, list[Key]] = {}
    for key, layout in layouts.items():
        for job in unique(layout.jobs):
            points.setdefault(job.key, []).append(key)
    results: dict[Key, Result] = {}
    watcher.planned(jobs)
    with store.opened(), closing(run_jobs(jobs, store, cores(), watcher.warn)) as finished:
        for job, seconds in finished:
            watcher.done(job, seconds)
            tell(layouts[points[job.key][0]], store, job, watcher)
            for key in points[job.key]:
                gathered[key].note(job, seconds)
                check(trials[key], layouts[key], store, job, watcher)
                gathered[key].newly_finished(0.0)
                if gathered[key].complete and key not in results:
                    results[key] = _result(study, trials[key], gathered[key])
                    watcher.effect(_named(results[key], key))
    for sentence in made_elsewhere([store.manifest(job).made_with for job in jobs]):
        watcher.warn(sentence)
    return results


def _result(study: Study, trial: Trial, gathered: Gathered) -> Result:
    treated = gathered.arms[study.treated]
    control = gathered.arms[str(study.arms[study.treated].against)]
    return Result(treated, control, effects(trial, (treated, control), gathered.bases()), gathered.teachers())


def _named(result: Result, key: Key) -> Effect:
    """The effect in log-odds, with the point it belongs to."""
    effect = next(effect for effect in result.effects if effect.measure == "log_odds")
    return effect.model_copy(update={"name": f"{' '.join(key)}: {effect.name}"})


def read(folder: Path) -> tuple[str, str, Study]:
    """Recipe, kind and spec of what was run in a folder.

    Raises:
        UndertoneError: its file is damaged, or of another Undertone.
    """
    record = record_in(folder, FILE, Recorded)
    try:
        return record.recipe, record.kind, KINDS[record.kind].spec.model_validate(record.spec)
    except (ValidationError, KeyError):
        raise unreadable(folder, FILE) from None
