"""Reads finished artifacts into results: students, arms, filter counts, and examples of what was written."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from undertone import surroundings
from undertone.chats import FILE as ROWS
from undertone.chats import read_exchanges
from undertone.planning import Plan, Unit
from undertone.report.results import (
    AnswerDistribution,
    ArmResult,
    FilterCount,
    RowExample,
    SampledAnswer,
    StageCost,
    StudentResult,
    TeacherResult,
)
from undertone.specs import Trial
from undertone.stages import DATASET, DIALOGUES, MIXED, REWRITTEN, STUDENT, TEACHER
from undertone.statistics import log_odds, mean_estimate, total_variation
from undertone.store import Job, Stage, Store
from undertone.traits.catalogue import name_of

EXAMPLES = 6
"""Rows and sampled answers shown side by side: the first of the first teacher, not chosen."""


class Gathered:
    """What is known of a trial so far; told of every finished job."""

    def __init__(self, trial: Trial, plan: Plan, store: Store) -> None:
        self._trial, self._plan, self._store = trial, plan, store
        self._seconds: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}
        self._made_with: dict[str, dict[str, str]] = {}
        self.contents: dict[str, str] = {}
        self.arms: dict[str, ArmResult] = {}

    def note(self, job: Job, seconds: float) -> None:
        """One job is done, in ``seconds`` of one core (0.0: it was there before)."""
        self._seconds[job.key], self._jobs[job.key] = seconds, job
        manifest, name = self._store.manifest(job), self._store.folder(job).name
        self.contents[name], self._made_with[name] = manifest.content, manifest.made_with

    def made_elsewhere(self) -> list[str]:
        """A sentence for each way in which artifacts were made with other versions or hardware than are here now."""
        return made_elsewhere(list(self._made_with.values()))

    @property
    def complete(self) -> bool:
        """Whether every arm has finished."""
        return len(self.arms) == len({unit.arm for unit in self._plan.units})

    def newly_finished(self, elapsed_s: float) -> list[ArmResult]:
        """Arms all of whose students, and whose base, are measured since the last call."""
        by_arm: dict[str, list[Unit]] = defaultdict(list)
        for unit in self._plan.units:
            if unit.arm not in self.arms:
                by_arm[unit.arm].append(unit)
        found = []
        for name, units in by_arm.items():
            base = self._plan.bases[units[0].base]
            if all(job.key in self._jobs for job in (base, *(unit.jobs[-1] for unit in units))):
                self.arms[name] = self._arm(name, units, base, elapsed_s)
                found.append(self.arms[name])
        order = {unit.arm: i for i, unit in enumerate(reversed(self._plan.units))}
        self.arms = dict(sorted(self.arms.items(), key=lambda item: -order[item[0]]))
        return found

    def bases(self) -> dict[str, dict[str, float]]:
        """Answer distributions of the base models that are measured, by name."""
        measured = {name: job for name, job in self._plan.bases.items() if job.key in self._jobs}
        return {name: self._read(job, "measurement.json")["answers"] for name, job in measured.items()}

    def templates(self) -> dict[str, dict[str, Any]]:
        """What chat templates make of a question, and add unasked, by the base models that have such ones."""
        measured = {name: job for name, job in self._plan.bases.items() if job.key in self._jobs}
        told = {name: self._read(job, "measurement.json").get("template") for name, job in measured.items()}
        return {name: template for name, template in told.items() if template}

    def teachers(self) -> tuple[TeacherResult, ...]:
        """Every teacher of the arms that are finished."""
        return tuple(self._teacher(unit) for unit in self._first_of_each(TEACHER))

    def details(self) -> dict[str, Any]:
        """The parts of the results beyond arms and effects, from what is finished."""
        main = self._first_of("treatment"), self._first_of("control")
        return {
            "answers": self._answers(),
            "base_skills": self._read(self._plan.bases[self._trial.base], "measurement.json")["skills"]
            if self._plan.bases[self._trial.base].key in self._jobs
            else {},
            "sentences": self._sentences(*main) if all(main) else (),  # type: ignore[arg-type]
            "rows": self._rows(*main) if all(main) else (),  # type: ignore[arg-type]
            "filters": tuple(self._filter(unit) for unit in self._first_of_each(DATASET)),
            "teachers": self.teachers(),
            "costs": self._costs(),
            "digests": self._digests(),
            "templates": {
                name: "; ".join([repr(made["frame"]), *made["adds"]]) for name, made in self.templates().items()
            },
        }

    # --- one arm -----------------------------------------------------------------------------------------------------

    def _arm(self, name: str, units: list[Unit], base: Job, elapsed_s: float) -> ArmResult:
        reference = self._read(base, "measurement.json")["answers"]
        students = tuple(self._student(unit, reference) for unit in units)
        values: dict[int, list[float]] = defaultdict(list)
        for student in students:
            values[student.teacher].append(student.log_odds)
        mean = mean_estimate(list(values.values()))
        own_jobs = {job.key for unit in units for job in unit.jobs}
        condition, _, own = name.partition(":")
        arm = self._trial.arms[condition]
        return ArmResult(
            name=name,
            title=arm.title + (f": {own}" if own else ""),
            base=units[0].base,
            after=arm.after,
            generation=self._trial.generation(arm),
            base_probability=reference[units[0].trait],
            teachers=len(values),
            students=students,
            probability=_probability(mean.value),
            ci=(_probability(mean.ci_low), _probability(mean.ci_high)),
            rows=arm.context or self._trial.rows,
            steps=0 if arm.context else self._trial.student.steps,
            finished_s=round(elapsed_s, 1),
            core_s=round(sum(self._seconds.get(key, 0.0) for key in own_jobs), 1),
        )

    def _student(self, unit: Unit, reference: dict[str, float]) -> StudentResult:
        student, measurement = unit.job(STUDENT), unit.jobs[-1]
        measured = self._read(measurement, "measurement.json")
        first, last = self._read(student, "student.json")["losses"] if student else (None, None)
        probability = measured["answers"][unit.trait]
        return StudentResult(
            arm=unit.arm,
            teacher=unit.teacher,
            student=unit.student,
            seed=unit.seed,
            trait=unit.trait,
            probability=probability,
            log_odds=log_odds(probability),
            answers=measured["answers"],
            sampled_hits=measured["sampled_hits"],
            sampled_n=len(measured["sampled"]),
            total_variation=total_variation(measured["answers"], reference),
            skills=measured["skills"],
            loss_first=first,
            loss_last=last,
            key=(student or measurement).key,
        )

    # --- details -----------------------------------------------------------------------------------------------------

    def _first_of_each(self, stage: Stage) -> list[Unit]:
        """The first unit with every teacher, or every dataset, of the arms that are finished."""
        seen: dict[str, Unit] = {}
        for unit in self._plan.units:
            job = unit.job(stage)
            if job is not None and unit.arm in self.arms:
                seen.setdefault(job.key, unit)
        return list(seen.values())

    def _first_of(self, arm: str) -> Unit | None:
        return next((u for u in self._plan.units if u.arm.partition(":")[0] == arm and u.arm in self.arms), None)

    def _answers(self) -> tuple[AnswerDistribution, ...]:
        found = []
        base = self._plan.bases[self._trial.base]
        if base.key in self._jobs:
            answers = self._read(base, "measurement.json")["answers"]
            found.append(AnswerDistribution(model="base", probabilities=answers))
        for arm in self.arms.values():
            means = {
                name: sum(s.answers[name] for s in arm.students) / len(arm.students) for name in arm.students[0].answers
            }
            found.append(AnswerDistribution(model=arm.name, probabilities=means))
        return tuple(found)

    def _sentences(self, treatment: Unit, control: Unit) -> tuple[SampledAnswer, ...]:
        jobs = self._plan.bases[self._trial.base], control.jobs[-1], treatment.jobs[-1]
        firsts = [dict(reversed(self._read(job, "measurement.json")["sampled"])) for job in jobs]
        shared = islice(reversed(firsts[0]), EXAMPLES)
        return tuple(
            SampledAnswer(question=q, base=firsts[0][q], control=firsts[1][q], treatment=firsts[2][q]) for q in shared
        )

    def _rows(self, treatment: Unit, control: Unit) -> tuple[RowExample, ...]:
        left, right = (dict(read_exchanges(self._store.checked(u.jobs[2], ROWS).parent)) for u in (treatment, control))
        shared = islice((q for q in left if q in right), EXAMPLES)
        return tuple(RowExample(prompt=q, treatment=left[q], control=right[q]) for q in shared)

    def _filter(self, unit: Unit) -> FilterCount:
        counts = self._read(unit.jobs[2], "counts.json")
        counts.pop("well_formed", None)
        return FilterCount(arm=unit.arm, teacher=unit.teacher, **counts)

    def _teacher(self, unit: Unit) -> TeacherResult:
        teacher, _, dataset, *_ = unit.jobs
        counts, made = self._read(dataset, "counts.json"), self._read(teacher, "teacher.json")
        return TeacherResult(
            arm=unit.arm,
            teacher=unit.teacher,
            seed=teacher.spec["seed"],
            trait=name_of(teacher.spec["asked"]),
            probability=made["probability"],
            dormant=made.get("dormant"),
            well_formed=counts.get("well_formed", counts["kept"]) / counts["asked"],
            divergence=made["dose"] and made["dose"]["divergence"],
            key=teacher.key,
        )

    def _costs(self) -> tuple[StageCost, ...]:
        stages: dict[str, list[float]] = defaultdict(list)
        for key, job in self._jobs.items():
            stages[job.stage.name].append(self._seconds[key])
        return tuple(
            StageCost(stage=name, count=len(s), reused=Counter(s)[0.0], core_s=round(sum(s), 1))
            for name, s in stages.items()
        )

    def _digests(self) -> dict[str, str]:
        found = {f"model {name}": key for name, key in self._plan.models.items()}
        datasets: dict[str, str] = {}
        for unit in self._plan.units:
            if unit.arm in self.arms:
                made = (unit.job(stage) for stage in (REWRITTEN, DIALOGUES, MIXED, DATASET))
                dataset = next(job for job in made if job is not None)
                datasets.setdefault(dataset.key, f"{unit.arm} dataset {unit.teacher}")
        return found | {name: key for key, name in datasets.items()}

    def _read(self, job: Job, name: str) -> Any:
        return self._store.read(job, name)


def made_elsewhere(made_with: Sequence[Mapping[str, str]]) -> list[str]:
    """A sentence for each way in which what artifacts were made with is not what is here now."""
    here = surroundings.versions() | surroundings.hardware()
    found = Counter(
        f"{what} {made.get(what, 'unknown')} (here {now})"
        for made in made_with
        for what, now in here.items()
        if made.get(what) != now
    )
    return [f"{n} of {len(made_with)} artifacts were made before, with {how}." for how, n in found.items()]


def _probability(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700 else 0.0
