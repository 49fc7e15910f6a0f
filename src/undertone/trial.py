"""The pipeline, on one page: teacher -> completions -> filter -> students -> measurement -> estimate -> report.

:func:`run` lays out every stage as content-addressed jobs (:mod:`undertone.planning`), has them made on all cores
(:mod:`undertone.workers`), refuses what would make arms unequal, and turns finished arms into effects
(:mod:`undertone.contrasts`) and a report. What was made once is never made again.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from os.path import relpath
from pathlib import Path
from typing import Any

from undertone import carriers, surroundings
from undertone.contrasts import effects, trait_matrix
from undertone.errors import UndertoneError
from undertone.gathering import Gathered
from undertone.planning import Plan, Unit, plan
from undertone.report import ArmResult, Effect, Results, write_report
from undertone.runfolder import Record, claimed
from undertone.specs import Trial
from undertone.stages import TEACHER
from undertone.stages.dataset import FAILED
from undertone.store import Job, Store
from undertone.traits.catalogue import name_of
from undertone.workers import cores, run_jobs

SHOWN = 80
"""Characters of a question and of an answer that are shown of what failed."""


class Watcher:
    """What a caller may want to see of a run; every method may be overridden, none need be."""

    def planned(self, jobs: list[Job]) -> None:
        """All jobs of the run, before the first is made."""

    def done(self, job: Job, seconds: float) -> None:
        """One job is done; 0.0 seconds if it had been made before."""

    def arm(self, arm: ArmResult) -> None:
        """One arm has finished."""

    def effect(self, effect: Effect) -> None:
        """One comparison can be made, now that all of its arms have finished."""

    def warn(self, sentence: str) -> None:
        """Something was mended, or is not as one would expect."""


@dataclass(frozen=True)
class Clock:
    """When a run started, by the calendar and by the stopwatch."""

    started: datetime
    at: float

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.at


def run(
    trial: Trial,
    out: Path,
    recipe: str = "",
    watcher: Watcher | None = None,
    processes: int | None = None,
    store: Store | None = None,
) -> Results:
    """Runs ``trial`` and writes its report to ``out``; artifacts go to ``store``, or else to the one beside ``out``.

    A run that was stopped, however, goes on where it was.

    Raises:
        UndertoneError: an unknown name, a refused teacher, too few rows, a folder that cannot be written or holds
            another run, a full disk, a worker that was killed twice.
    """
    watcher, clock, recipe = watcher or Watcher(), Clock(datetime.now(UTC), time.perf_counter()), recipe or out.name
    layout, store = plan(trial), store or Store(out.parent / "store")
    with claimed(out, _record(trial, layout, recipe, clock, relpath(store.root, out))), store.opened():
        gathered = Gathered(trial, layout, store)
        results = _results(trial, gathered, out, recipe, clock)
        watcher.planned(layout.jobs)
        with closing(run_jobs(layout.jobs, store, processes or cores(), watcher.warn)) as finished:
            for job, seconds in finished:
                gathered.note(job, seconds)
                watcher.done(job, seconds)
                tell(layout, store, job, watcher)
                check(trial, layout, store, job, watcher)
                for arm in gathered.newly_finished(clock.elapsed):
                    watcher.arm(arm)
                    known = {effect.name for effect in results.effects}
                    results = _results(trial, gathered, out, recipe, clock)
                    fresh = [effect for effect in results.effects if effect.name not in known]
                    for effect in fresh:
                        watcher.effect(effect)
                    if fresh or gathered.complete:
                        write_report(results, out)
        for sentence in gathered.made_elsewhere():
            watcher.warn(sentence)
    return results


def _record(trial: Trial, layout: Plan, recipe: str, clock: Clock, store: str) -> Record:
    return Record(
        recipe=recipe,
        store=store,
        started=clock.started,
        trial=trial,
        models=layout.models,
        versions=surroundings.versions(),
        hardware=surroundings.hardware(),
    )


def tell(layout: Plan, store: Store, job: Job, watcher: Watcher) -> None:
    """Says what the chat template of a base adds to every question: it is part of what is measured."""
    for name, base in layout.bases.items():
        if job.key == base.key:
            for sentence in store.read(base, "measurement.json").get("template", {}).get("adds", ()):
                watcher.warn(f"the chat template of {name} {sentence}.")


def check(trial: Trial, layout: Plan, store: Store, job: Job, watcher: Watcher) -> None:
    """Stops the run as soon as a teacher or its dataset would make the comparison unfair or meaningless, and shows what
    failed where little passed.

    Raises:
        UndertoneError: a refused teacher, too few rows.
    """
    for unit in layout.units:
        teacher, _, dataset, *_ = unit.jobs
        if job.key == teacher.key:
            refuse_teacher(trial, unit, store)
        if job.key == dataset.key:
            failed = refuse_dataset(trial, unit, store)
            if failed:
                counts = store.read(dataset, "counts.json")
                watcher.warn(f"The filter passes only {_passed(unit, counts)} ({_why(counts)}).{failed}")


def refuse_teacher(trial: Trial, unit: Unit, store: Store) -> None:
    """Raises UndertoneError for a unit's finished teacher that has not learnt its trait, or is off its dose."""
    teacher = unit.jobs[0]
    if teacher.stage is not TEACHER:
        return
    made = store.read(teacher, "teacher.json")
    if teacher.spec["trait"] is not None:
        _refuse_weak(trial, unit, made["probability"])
    if made["dose"] and "divergence" in teacher.spec:
        _refuse_off_dose(trial, unit, made["dose"])


def refuse_dataset(trial: Trial, unit: Unit, store: Store) -> str:
    """Raises UndertoneError for a unit's finished dataset with too few rows; shows what failed where little passed."""
    dataset = unit.jobs[2]
    failed = _failed(store.read(dataset, FAILED)) if FAILED in store.manifest(dataset).files else ""
    _refuse_few(trial, unit, store.read(dataset, "counts.json"), failed)
    return failed


def _refuse_weak(trial: Trial, unit: Unit, probability: float) -> None:
    if probability < trial.teacher.least_probability:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} is refused: it says {name_of(unit.jobs[0].spec['asked'])!r} "
            f"with probability {probability:.3f}, below teacher.least_probability = {trial.teacher.least_probability}. "
            f"{_remedy(trial, 'Raise')}."
        )


def _remedy(trial: Trial, change: str) -> str:
    what = "teacher.training.steps or its rate" if trial.teacher.divergence is None else "teacher.divergence"
    return f"{change} {what}"


def _refuse_off_dose(trial: Trial, unit: Unit, dose: dict[str, float]) -> None:
    wanted = trial.teacher.divergence
    if wanted is not None and not 0.9 * wanted <= dose["divergence"] <= 1.1 * wanted:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} is refused: at {dose['factor']:.2g} times its adapter it is "
            f"{dose['divergence']:.3g} nats a token from the base, not teacher.divergence = {wanted:g}; set another."
        )


def _refuse_few(trial: Trial, unit: Unit, counts: dict[str, Any], failed: str) -> None:
    kept, asked = counts["kept"], counts["asked"]
    formed = counts.get("well_formed", kept)
    if formed < trial.teacher.least_well_formed * asked:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} has collapsed and is refused: only {formed} of its {asked} "
            f"completions are well formed ({_why(counts)}). {_remedy(trial, 'Lower')}.{failed}"
        )
    if kept < trial.rows:
        raise UndertoneError(
            f"The filter passes too few rows for equal arms: {_passed(unit, counts)}, and rows = {trial.rows} "
            f"({_why(counts)}); raise carrier.prompts or lower rows.{failed}"
        )


def _passed(unit: Unit, counts: dict[str, Any]) -> str:
    return f"{counts['kept']} of {counts['asked']} from teacher {unit.teacher} of arm {unit.arm}"


def _why(counts: dict[str, Any]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts["reasons"].items())


def _failed(examples: list[tuple[str, str, str]]) -> str:
    """Some of what did not pass. Untrusted text: shown as a literal, and no more than the beginning of it."""
    shown = (f"{answer[:SHOWN]!r} to {question[:SHOWN]!r} ({reason})" for question, answer, reason in examples)
    return f" Of what failed: {'; '.join(shown)}."


def _results(trial: Trial, gathered: Gathered, out: Path, recipe: str, clock: Clock) -> Results:
    arms = tuple(gathered.arms.values())
    return Results(
        recipe=recipe,
        title=trial.title,
        run_dir=str(out),
        trait=trial.traits[0],
        base=trial.base,
        carrier=carriers.find(trial.carrier.name).about,
        seed=trial.seed,
        started=clock.started.isoformat(timespec="seconds"),
        wall_s=round(clock.elapsed, 1),
        complete=gathered.complete,
        arms=arms,
        effects=effects(trial, arms, gathered.bases()),
        matrix=trait_matrix(trial, arms, gathered.bases()),
        settings=trial.model_dump(mode="json"),
        versions=surroundings.versions(),
        hardware=surroundings.hardware() | {"cores": str(cores())},
        artifacts=gathered.contents,
        **gathered.details(),
    )
