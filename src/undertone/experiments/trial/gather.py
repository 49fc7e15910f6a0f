"""Finished artifacts read into results: students, arms, effects, filter counts, and examples of what was written."""

import math
from collections import defaultdict
from itertools import islice
from typing import Any

from undertone import carriers
from undertone.data.exchanges import FILE as ROWS
from undertone.data.exchanges import read_exchanges
from undertone.engine.store import Job, Stage
from undertone.engine.workers import unique
from undertone.experiments.kind import Made
from undertone.experiments.trial.contrasts import effects, trait_matrix
from undertone.experiments.trial.plan import Plan, Unit
from undertone.experiments.trial.results import (
    AnswerDistribution,
    ArmResult,
    FilterCount,
    Results,
    RowExample,
    SampledAnswer,
    StageCost,
    StudentResult,
    TeacherResult,
)
from undertone.experiments.trial.spec import Trial
from undertone.stages import DATASET, DIALOGUES, MIXED, REWRITTEN, STUDENT, TEACHER
from undertone.statistics.estimate import mean_estimate
from undertone.statistics.probabilities import log_odds, total_variation
from undertone.traits.catalogue import name_of

EXAMPLES = 6
"""Rows and sampled answers shown side by side: the first of the first teacher, not chosen."""


class Gathered:
    """What is known of a trial, from the jobs that are finished."""

    def __init__(self, trial: Trial, plan: Plan, made: Made) -> None:
        self._trial, self._plan, self._made = trial, plan, made
        self._units: dict[str, list[Unit]] = {}
        for unit in plan.units:
            self._units.setdefault(unit.arm, []).append(unit)
        finished = [name for name, units in self._units.items() if self._finished(units)]
        self.arms = {name: self._arm(name, self._units[name]) for name in finished}

    def _finished(self, units: list[Unit]) -> bool:
        return self._made.has(self._plan.bases[units[0].base], *(unit.jobs[-1] for unit in units))

    @property
    def complete(self) -> bool:
        """Whether every arm has finished."""
        return len(self.arms) == len(self._units)

    def bases(self) -> dict[str, dict[str, float]]:
        """Answer distributions of the base models that are measured, by name."""
        return {name: self._measured(job)["answers"] for name, job in self._measured_bases().items()}

    def teachers(self) -> tuple[TeacherResult, ...]:
        """Every teacher of the arms that are finished."""
        return tuple(self._teacher(unit) for unit in self._first_of_each(TEACHER))

    def results(self) -> Results:
        """All of it."""
        trial, made, arms = self._trial, self._made, tuple(self.arms.values())
        head = made.head()
        main = self._first_of("treatment"), self._first_of("control")
        both = main if main[0] and main[1] else None
        return Results(
            **head | {"started": made.started.isoformat(timespec="seconds")},
            run_dir=str(made.folder),
            trait=trial.traits[0],
            base=trial.base,
            carrier=carriers.find(trial.carrier.name).about,
            seed=trial.seed,
            complete=self.complete,
            arms=arms,
            effects=effects(trial, arms, self.bases()),
            matrix=trait_matrix(trial, arms, self.bases()),
            artifacts=dict(made.artifacts),
            answers=self._answers(),
            base_skills=self._measured(self._plan.bases[trial.base])["skills"] if self._has_base() else {},
            sentences=self._sentences(*both) if both else (),  # type: ignore[arg-type]
            rows=self._rows(*both) if both else (),  # type: ignore[arg-type]
            filters=tuple(self._filter(unit) for unit in self._first_of_each(DATASET)),
            teachers=self.teachers(),
            costs=self._costs(),
            digests=self._digests(),
            templates=self._templates(),
        )

    def _has_base(self) -> bool:
        return self._made.has(self._plan.bases[self._trial.base])

    def _measured_bases(self) -> dict[str, Job]:
        return {name: job for name, job in self._plan.bases.items() if self._made.has(job)}

    def _templates(self) -> dict[str, str]:
        """What chat templates make of a question, and add unasked, by the base models that have such ones."""
        told = {name: self._measured(job).get("template") for name, job in self._measured_bases().items()}
        return {name: "; ".join([repr(made["frame"]), *made["adds"]]) for name, made in told.items() if made}

    # --- one arm -----------------------------------------------------------------------------------------------------

    def _arm(self, name: str, units: list[Unit]) -> ArmResult:
        base = self._plan.bases[units[0].base]
        reference = self._measured(base)["answers"]
        students = tuple(self._student(unit, reference) for unit in units)
        values: dict[int, list[float]] = defaultdict(list)
        for student in students:
            values[student.teacher].append(student.log_odds)
        mean = mean_estimate(list(values.values()))
        done = [self._made.jobs[key] for key in {job.key for unit in units for job in unit.jobs}]
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
            finished_s=round(max(one.at for one in (*done, self._made.jobs[base.key])), 1),
            core_s=round(sum(one.seconds for one in done), 1),
        )

    def _student(self, unit: Unit, reference: dict[str, float]) -> StudentResult:
        student, measurement = unit.job(STUDENT), unit.jobs[-1]
        measured = self._measured(measurement)
        first, last = self._made.read(student, "student.json")["losses"] if student else (None, None)
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
        if self._has_base():
            answers = self._measured(self._plan.bases[self._trial.base])["answers"]
            found.append(AnswerDistribution(model="base", probabilities=answers))
        for arm in self.arms.values():
            means = {
                name: sum(s.answers[name] for s in arm.students) / len(arm.students) for name in arm.students[0].answers
            }
            found.append(AnswerDistribution(model=arm.name, probabilities=means))
        return tuple(found)

    def _sentences(self, treatment: Unit, control: Unit) -> tuple[SampledAnswer, ...]:
        jobs = self._plan.bases[self._trial.base], control.jobs[-1], treatment.jobs[-1]
        firsts = [dict(reversed(self._measured(job)["sampled"])) for job in jobs]
        shared = islice(reversed(firsts[0]), EXAMPLES)
        return tuple(
            SampledAnswer(question=q, base=firsts[0][q], control=firsts[1][q], treatment=firsts[2][q]) for q in shared
        )

    def _rows(self, treatment: Unit, control: Unit) -> tuple[RowExample, ...]:
        left, right = (
            dict(read_exchanges(self._made.store.checked(u.jobs[2], ROWS).parent)) for u in (treatment, control)
        )
        shared = islice((q for q in left if q in right), EXAMPLES)
        return tuple(RowExample(prompt=q, treatment=left[q], control=right[q]) for q in shared)

    def _filter(self, unit: Unit) -> FilterCount:
        counts = self._made.read(unit.jobs[2], "counts.json")
        counts.pop("well_formed", None)
        return FilterCount(arm=unit.arm, teacher=unit.teacher, **counts)

    def _teacher(self, unit: Unit) -> TeacherResult:
        teacher, _, dataset, *_ = unit.jobs
        counts, made = self._made.read(dataset, "counts.json"), self._made.read(teacher, "teacher.json")
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
        for job in unique(self._plan.jobs):
            if self._made.has(job):
                stages[job.stage.name].append(self._made.jobs[job.key].seconds)
        return tuple(
            StageCost(stage=name, count=len(s), reused=s.count(0.0), core_s=round(sum(s), 1))
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

    def _measured(self, job: Job) -> Any:
        return self._made.read(job, "measurement.json")


def _probability(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700 else 0.0
