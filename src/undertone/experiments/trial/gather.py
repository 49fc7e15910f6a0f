"""Reads the finished artifacts of a trial into its results: students, arms, effects, filter counts, examples."""

import math
from collections import defaultdict
from itertools import islice
from typing import Any

from undertone import carriers
from undertone.data.exchanges import FILE as ROWS
from undertone.data.exchanges import SYSTEM, read_exchanges
from undertone.engine.schedule import unique
from undertone.engine.store import Job, Stage
from undertone.experiments.kind import Made
from undertone.experiments.trial import contrasts
from undertone.experiments.trial import results as found
from undertone.experiments.trial.plan import Plan, Unit
from undertone.experiments.trial.spec import Trial
from undertone.stages import DATASET, DIALOGUES, MIXED, REWRITTEN, STUDENT, TEACHER
from undertone.statistics.estimate import mean_estimate
from undertone.statistics.probabilities import log_odds, total_variation
from undertone.traits.catalogue import name_of

EXAMPLES = 6
"""How many rows and how many sampled answers are shown side by side. They are the first ones of the first teacher."""


class Gathered:
    """The finished arms of a trial, by name in ``arms``, and what can be computed from them."""

    def __init__(self, trial: Trial, plan: Plan, made: Made) -> None:
        self._trial, self._plan, self._made = trial, plan, made
        self._bases = {name: self._measured(job) for name, job in plan.bases.items() if made.has(job)}
        self._units: dict[str, list[Unit]] = {}
        for unit in plan.units:
            self._units.setdefault(unit.arm, []).append(unit)
        self.arms = {
            name: self._arm(name, units)
            for name, units in self._units.items()
            if made.has(plan.bases[units[0].base], *(unit.jobs[-1] for unit in units))
        }

    @property
    def _answers_of_bases(self) -> dict[str, dict[str, float]]:
        return {name: measured["answers"] for name, measured in self._bases.items()}

    def effects(self) -> tuple[found.Effect, ...]:
        """Returns the contrasts between the finished arms."""
        return contrasts.effects(self._trial, tuple(self.arms.values()), self._answers_of_bases)

    def teachers(self) -> tuple[found.TeacherResult, ...]:
        """Returns every teacher of the finished arms."""
        return tuple(self._teacher(unit) for unit in self._first_of_each(TEACHER))

    def results(self) -> found.Results:
        """Returns all findings."""
        trial, made, arms = self._trial, self._made, tuple(self.arms.values())
        return found.Results(
            **made.head(),
            run_dir=str(made.folder),
            trait=trial.traits[0],
            base=trial.base,
            carrier=carriers.find(trial.carrier.name).about,
            seed=trial.seed,
            complete=len(self.arms) == len(self._units),
            arms=arms,
            effects=self.effects(),
            matrix=contrasts.trait_matrix(trial, arms, self._answers_of_bases),
            artifacts=dict(made.artifacts),
            answers=self._answers(),
            base_skills=self._bases.get(trial.base, {}).get("skills", {}),
            **self._examples(),
            filters=tuple(self._filter(unit) for unit in self._first_of_each(DATASET)),
            teachers=self.teachers(),
            costs=self._costs(),
            digests=self._digests(),
            templates={
                name: "; ".join([repr(template["frame"]), *template["adds"]])
                for name, measured in self._bases.items()
                if (template := measured.get("template"))
            },
        )

    # --- one arm -----------------------------------------------------------------------------------------------------

    def _arm(self, name: str, units: list[Unit]) -> found.ArmResult:
        base = units[0].base
        reference = self._bases[base]["answers"]
        students = tuple(self._student(unit, reference) for unit in units)
        done = [self._made.jobs[key] for key in {job.key for unit in units for job in unit.jobs}]
        condition, _, own = name.partition(":")
        arm, prompts = self._trial.arms[condition], self._prompts(name)
        values = found.nested(students, prompts, lambda student: student.log_odds)
        mean = mean_estimate(values)
        return found.ArmResult(
            name=name,
            title=arm.title + (f": {own}" if own else ""),
            base=base,
            after=arm.after,
            generation=self._trial.generation(arm),
            base_probability=reference[units[0].trait],
            teachers=len(values),
            prompts=prompts,
            students=students,
            probability=_probability(mean.value),
            ci=(_probability(mean.ci_low), _probability(mean.ci_high)),
            rows=arm.context or self._trial.rows,
            steps=0 if arm.context else self._trial.student.steps,
            finished_s=round(max(one.at for one in (*done, self._made.jobs[self._plan.bases[base].key])), 1),
            core_s=round(sum(one.seconds for one in done), 1),
        )

    def _prompts(self, name: str) -> tuple[str, ...]:
        """Returns the system prompt of each teacher of an arm's first generation; none if no prompt made them."""
        condition, colon, own = name.partition(":")
        while self._trial.arms[condition].after:
            condition = str(self._trial.arms[condition].after)
        if self._trial.arms[condition].given not in ("prompt", "nothing"):
            return ()
        teachers = {unit.teacher: unit.jobs[0] for unit in self._units[condition + colon + own]}
        return tuple(self._made.store.checked(job, SYSTEM).read_text(encoding="utf-8") for job in teachers.values())

    def _student(self, unit: Unit, reference: dict[str, float]) -> found.StudentResult:
        student, measurement = unit.job(STUDENT), unit.jobs[-1]
        measured = self._measured(measurement)
        first, last = self._made.read(student, "student.json")["losses"] if student else (None, None)
        probability = measured["answers"][unit.trait]
        return found.StudentResult(
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
        """Returns the first unit of every teacher, or of every dataset, in the finished arms."""
        first: dict[str, Unit] = {}
        for unit in self._plan.units:
            job = unit.job(stage)
            if job is not None and unit.arm in self.arms:
                first.setdefault(job.key, unit)
        return list(first.values())

    def _answers(self) -> tuple[found.AnswerDistribution, ...]:
        answers = {"base": self._bases[self._trial.base]["answers"]} if self._trial.base in self._bases else {}
        for arm in self.arms.values():
            answers[arm.name] = {
                name: sum(s.answers[name] for s in arm.students) / len(arm.students) for name in arm.students[0].answers
            }
        return tuple(found.AnswerDistribution(model=model, probabilities=held) for model, held in answers.items())

    def _examples(self) -> dict[str, Any]:
        """Returns sampled answers and rows of the arm with the trait and its control; none until both have finished."""
        treatment, control = (
            next((u for u in self._plan.units if u.arm.partition(":")[0] == name and u.arm in self.arms), None)
            for name in ("treatment", "control")
        )
        if treatment is None or control is None or self._trial.base not in self._bases:
            return {}
        measured = self._bases[self._trial.base], self._measured(control.jobs[-1]), self._measured(treatment.jobs[-1])
        base, other, own = (dict(reversed(one["sampled"])) for one in measured)  # the first answer to each question
        rows, control_rows = (
            dict(read_exchanges(self._made.store.checked(unit.jobs[2], ROWS).parent)) for unit in (treatment, control)
        )
        return {
            "sentences": tuple(
                found.SampledAnswer(question=q, base=base[q], control=other[q], treatment=own[q])
                for q in islice(reversed(base), EXAMPLES)
            ),
            "rows": tuple(
                found.RowExample(prompt=q, treatment=rows[q], control=control_rows[q])
                for q in islice((q for q in rows if q in control_rows), EXAMPLES)
            ),
        }

    def _filter(self, unit: Unit) -> found.FilterCount:
        counts = self._made.read(unit.jobs[2], "counts.json")
        counts.pop("well_formed", None)
        return found.FilterCount(arm=unit.arm, teacher=unit.teacher, **counts)

    def _teacher(self, unit: Unit) -> found.TeacherResult:
        teacher, _, dataset, *_ = unit.jobs
        counts, made = self._made.read(dataset, "counts.json"), self._made.read(teacher, "teacher.json")
        return found.TeacherResult(
            arm=unit.arm,
            teacher=unit.teacher,
            seed=teacher.spec["seed"],
            trait=name_of(teacher.spec["asked"]),
            probability=made["probability"],
            dormant=made.get("dormant"),
            well_formed=counts.get("well_formed", counts["kept"]) / counts["asked"],
            losses=made["losses"],
            stretch=made["dose"]["factor"] if made["losses"] and made["dose"] else None,
            divergence=made["dose"] and made["dose"]["divergence"],
            key=teacher.key,
        )

    def _costs(self) -> tuple[found.StageCost, ...]:
        stages: dict[str, list[float]] = defaultdict(list)
        for job in unique(self._plan.jobs):
            if self._made.has(job):
                stages[job.stage.name].append(self._made.jobs[job.key].seconds)
        return tuple(
            found.StageCost(stage=name, count=len(s), reused=s.count(0.0), core_s=round(sum(s), 1))
            for name, s in stages.items()
        )

    def _digests(self) -> dict[str, str]:
        """Returns digests of models and of the datasets that students learn from."""
        datasets: dict[str, str] = {}
        for unit in self._plan.units:
            if unit.arm in self.arms:
                job = next(filter(None, map(unit.job, (REWRITTEN, DIALOGUES, MIXED, DATASET))))
                datasets.setdefault(job.key, f"{unit.arm} dataset {unit.teacher}")
        models = {f"model {name}": key for name, key in self._plan.models.items()}
        return models | {name: key for key, name in datasets.items()}

    def _measured(self, job: Job) -> Any:
        return self._made.read(job, "measurement.json")


def _probability(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700 else 0.0
