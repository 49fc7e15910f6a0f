"""From a trial's spec to its jobs: who is taught what, by whom, from which seed. Nothing is run here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from undertone.digests import digest
from undertone.errors import UndertoneError
from undertone.models.names import resolve, tokenizer_digest
from undertone.specs import Arm, Trial
from undertone.stages import COMPLETIONS, DATASET, MEASUREMENT, MIXED, REWRITTEN, STUDENT, TEACHER
from undertone.store import Folder, Job, Stage
from undertone.traits import catalogue


@dataclass(frozen=True)
class Unit:
    """One student of a trial, and every job that leads to its measurement."""

    arm: str
    """The arm's name; "arm:trait" where a trial has several traits."""
    trait: str
    teacher: int
    student: int
    seed: int
    base: str
    """The model that the student starts from, or that is asked in its place."""
    jobs: tuple[Job, ...]
    """Teacher, completions, dataset; the dataset rewritten or mixed, where the arm has it so; the student, unless rows
    are only read in context; measurement."""

    def job(self, stage: Stage) -> Job | None:
        """The unit's job of a stage, if it has one."""
        return next((job for job in self.jobs if job.stage is stage), None)


@dataclass(frozen=True)
class Plan:
    """All units of a trial, and the measurements of its untouched base models by name."""

    units: tuple[Unit, ...]
    bases: dict[str, Job]

    @property
    def models(self) -> dict[str, str]:
        """Digests of the base models by name."""
        return {name: job.inputs["base"].key for name, job in self.bases.items()}

    @property
    def jobs(self) -> list[Job]:
        """Every job in the order of preference: what the first arms need comes first."""
        return [*self.bases.values(), *(job for unit in self.units for job in unit.jobs)]


def seed_of(trial: Trial, *what: str | int) -> int:
    """A seed for one purpose, below 2^31. Arms share seeds: teacher 0 of every arm has the same prompts and orders."""
    return int(digest([trial.seed, *what])[:8], 16) >> 1


def plan(trial: Trial) -> Plan:
    """Resolves models and traits and lays out all jobs.

    Raises:
        UndertoneError: an unknown model or trait.
    """
    others = [arm.trait for arm in trial.arms.values() if arm.trait is not None]
    kinds = {catalogue.find(trait).kind for trait in (*trial.traits, *others)}
    if len(kinds) > 1:
        raise UndertoneError(f"The traits of one trial must be of one kind, not {' and '.join(sorted(kinds))}.")
    names = dict.fromkeys([trial.base, *(arm.students or trial.base for arm in trial.arms.values())])
    folders = {name: resolve(name) for name in names}
    _refuse_other_ids(trial, folders)
    units = tuple(_units(trial, folders))
    bases = {
        name: Job(MEASUREMENT, _measurement(trial, trial.traits[0], 0), {"base": folder})
        for name, folder in folders.items()
    }
    return Plan(units, bases)


def _refuse_other_ids(trial: Trial, folders: dict[str, Folder]) -> None:
    """Distributions are over token ids: teacher and student must mean the same by each."""
    own = tokenizer_digest(folders[trial.base].path)
    for name, arm in trial.arms.items():
        student = arm.students or trial.base
        if arm.labels == "distributions" and tokenizer_digest(folders[student].path) != own:
            raise UndertoneError(
                f"Arm {name}: {student} has another tokenizer than the teachers' {trial.base}, so its students cannot "
                'learn from their distributions; use labels = "sampled".'
            )


def _units(trial: Trial, folders: dict[str, Folder]) -> Iterator[Unit]:
    """Teacher by teacher within a pair of arm and control, so that both sides are done at about the same time."""
    for group in _groups(trial):
        for index in range(trial.teachers):
            for name, arm, trait in group:
                made = _teacher_jobs(trial, arm, trait, index, folders[trial.base])
                for student in range(trial.students):
                    seed = seed_of(trial, "student", index, student)
                    jobs = (*made, *_student_jobs(trial, arm, trait, seed, made, folders))
                    yield Unit(name, trait, index, student, seed, arm.students or trial.base, jobs)


def _groups(trial: Trial) -> list[list[tuple[str, Arm, str]]]:
    """(name, arm, trait) of every arm: a control with the first arm compared with it, any further one by itself."""
    several = len(trial.traits) > 1
    groups: dict[str, list[tuple[str, Arm, str]]] = {}
    paired: set[str | None] = set()
    for name, arm in trial.arms.items():
        traits = trial.traits if arm.teacher == "trait" else trial.traits[:1]
        group = name if arm.against in paired else arm.against or name
        paired.add(arm.against)
        groups.setdefault(group, []).extend(
            (f"{name}:{trait}" if several and arm.teacher == "trait" else name, arm, trait) for trait in traits
        )
    return list(groups.values())


def _teacher_jobs(trial: Trial, arm: Arm, trait: str, index: int, base: Folder) -> tuple[Job, ...]:
    """Teacher, completions, dataset, and the dataset rewritten or mixed where the arm's rows are not as written."""
    given = arm.trait or trait
    made = Job(
        TEACHER,
        {
            "base": trial.base,
            "trait": given if arm.teacher == "trait" else None,
            "asked": given,
            "dialogues": trial.teacher.dialogues,
            "training": trial.teacher.training.model_dump(),
            "divergence": trial.teacher.divergence,
            # The dose is measured on the carrier; without one, teachers know nothing of it.
            "carrier": trial.teacher.divergence and trial.carrier.model_dump(exclude={"prompts"}),
            "seed": seed_of(trial, "teacher", index),
        },
        {"base": base},
    )
    carrier = {"carrier": trial.carrier.model_dump(), "seed": seed_of(trial, "prompts", index)}
    written = Job(COMPLETIONS, carrier, {"base": base, "teacher": made})
    rule = {"filter": trial.filter.model_dump(mode="json")}
    dataset = Job(DATASET, rule | {"rows": trial.rows}, {"completions": written})
    if arm.share < 1:
        # The very rows that the control's student learns from: the arms then differ in the share and in nothing else.
        rest = _teacher_jobs(trial, trial.arms[str(arm.against)], trial.traits[0], index, base)[-1]
        mixing = {"share": arm.share, "seed": seed_of(trial, "mixed", index)}
        return made, written, dataset, Job(MIXED, mixing, {"own": dataset, "rest": rest})
    if arm.rows == "written":
        return made, written, dataset
    how = rule | {"rows": arm.rows, "seed": seed_of(trial, "rows", index)}
    return made, written, dataset, Job(REWRITTEN, how, {"base": base, "dataset": dataset})


def _student_jobs(
    trial: Trial, arm: Arm, trait: str, seed: int, made: tuple[Job, ...], folders: dict[str, Folder]
) -> tuple[Job, ...]:
    """The student and its measurement, or the measurement of the untouched model with rows in context."""
    teacher, dataset = made[0], made[-1]
    name = arm.students or trial.base
    plan = _measurement(trial, trait, seed)
    if arm.context:
        plan["context"] = arm.context
        return (Job(MEASUREMENT, plan, {"base": folders[name], "context": dataset}),)
    inputs: dict[str, Job | Folder] = {"base": folders[name], "dataset": dataset}
    if arm.labels == "distributions":
        inputs |= {"teacher": teacher, "teacher_base": folders[trial.base]}
    student = Job(STUDENT, {"base": name, "training": trial.student.model_dump(), "seed": seed}, inputs)
    return student, Job(MEASUREMENT, plan, {"base": folders[name], "trained": student})


def _measurement(trial: Trial, trait: str, seed: int) -> dict[str, Any]:
    return {"trait": trait, "measurement": trial.measurement.model_dump(), "seed": seed}
