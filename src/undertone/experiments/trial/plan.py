"""Lays out the jobs of a trial: who learns what, from whom, with which seed. Nothing is run here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from undertone import carriers
from undertone.carriers import numbers
from undertone.data.filters import CorrectFilter, JudgeFilter, NumberFilter, SubstringFilter, WordFilter, spelled
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job, Stage
from undertone.errors import UndertoneError
from undertone.experiments.trial.spec import Arm, Trial
from undertone.models.names import resolve
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages import COMPLETIONS, DATASET, DIALOGUES, MEASUREMENT, MIXED, PRACTISED, REWRITTEN, STUDENT, TEACHER
from undertone.stages.dataset import judge_input
from undertone.traits import catalogue


@dataclass(frozen=True)
class Unit:
    """One student of a trial, and all jobs up to its measurement."""

    arm: str
    """The arm's name; "arm:trait" in a trial of several traits."""
    trait: str
    teacher: int
    student: int
    seed: int
    base: str
    """The model that the student starts from; without training, the model that is asked."""
    jobs: tuple[Job, ...]
    """In order: the teacher, or the student of an earlier generation that is the teacher; completions; dataset; the
    rewritten or mixed dataset or the dialogues, if the arm uses these; the student, unless rows are only read in
    context; measurement."""

    def job(self, stage: Stage) -> Job | None:
        """Returns the unit's last job of a stage, if it has one: its own student, not the one that is its teacher."""
        return next((job for job in reversed(self.jobs) if job.stage is stage), None)


@dataclass(frozen=True)
class Plan:
    """All units of a trial, and the measurement of each untouched base by name."""

    units: tuple[Unit, ...]
    bases: dict[str, Job]

    @property
    def models(self) -> dict[str, str]:
        """Digests of the base models by name."""
        bases = (_folder(job.inputs["base"]) for job in self.bases.values())
        return {name: key for base in bases for name, key in base.digests.items()}

    @property
    def jobs(self) -> list[Job]:
        """All jobs, in the order of the arms."""
        bases = (job for measured in self.bases.values() for job in (*measured.parents, measured))
        return [*bases, *(job for unit in self.units for job in unit.jobs)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm, from the measurement of its base to that of its last student."""
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            measured = self.bases[unit.base]
            found.setdefault(unit.arm, [*measured.parents, measured]).extend(unit.jobs)
        return found


Base = Job | Folder
"""What teachers and students start from: a model's folder, or the job of one that has practised."""


def _folder(base: Base) -> Folder:
    """Returns the folder of the model that a base was, before it practised."""
    while isinstance(base, Job):
        base = base.inputs["base"]
    return base


def plan(trial: Trial) -> Plan:
    """Resolves models, carrier and traits and lays out all jobs.

    Raises:
        UndertoneError: an unknown model, carrier or trait; a filter that cannot be used here.
    """
    _refuse_kinds(trial)
    _refuse_unfit(trial)
    names = dict.fromkeys([trial.base, *(arm.students or trial.base for arm in trial.arms.values())])
    folders = {name: resolve(name) for name in names}
    _refuse_other_ids(trial, folders)
    bases = {name: _practised(trial, folder) for name, folder in folders.items()}
    units = tuple(_units(trial, bases))
    measured = {
        name: Job(MEASUREMENT, _measurement(trial, trial.traits[0], 0), {"base": base}) for name, base in bases.items()
    }
    return Plan(units, measured)


def _practised(trial: Trial, folder: Folder) -> Base:
    if trial.practice is None:
        return folder
    spec = trial.practice.model_dump() | {"carrier": trial.carrier.name, "seed": seed_of(trial.seed, "practice")}
    return Job(PRACTISED, spec, {"base": folder})


def _refuse_kinds(trial: Trial) -> None:
    """Refuses traits of several kinds, since students are asked for one, and neutral teachers with a trait of it."""

    def kinds(teacher: str, *traits: str) -> set[str]:
        others = (arm.trait for arm in trial.arms.values() if arm.teacher == teacher and arm.trait)
        return {catalogue.find(_told(trial, trait)).kind for trait in (*traits, *others)}

    asked = kinds("trait", *trial.traits)
    if len(asked) > 1:
        raise UndertoneError(f"The traits of one trial must be of one kind, not {' and '.join(sorted(asked))}.")
    if asked <= kinds("neutral"):
        raise UndertoneError(
            f"Neutral teachers have a trait of the kind that students are asked for, {asked.pop()}: give their arm one "
            "of another kind."
        )


def _refuse_other_ids(trial: Trial, folders: dict[str, Folder]) -> None:
    """Refuses students of distributions with another tokenizer: distributions are over token ids."""
    own = tokenizer_digest(folders[trial.base].path)
    for name, arm in trial.arms.items():
        student = arm.students or trial.base
        if arm.labels == "distributions" and tokenizer_digest(folders[student].path) != own:
            raise UndertoneError(
                f"Arm {name}: {student} has another tokenizer than the teachers' {trial.base}, so its students cannot "
                'learn from their distributions; use labels = "sampled".'
            )


def _units(trial: Trial, bases: dict[str, Base]) -> Iterator[Unit]:
    """Yields the units of an arm and its control teacher by teacher, so that both finish at about the same time."""
    for group in _groups(trial):
        for index in range(trial.teachers):
            for name, arm, trait in group:
                for student in range(trial.students):
                    seed = seed_of(trial.seed, "student", index, student, *_generation(trial, arm))
                    jobs = _jobs(trial, arm, trait, (index, student), bases)
                    yield Unit(name, trait, index, student, seed, arm.students or trial.base, jobs)


def _groups(trial: Trial) -> list[list[tuple[str, Arm, str]]]:
    """Returns (name, arm, trait) of every arm, grouped: a control with the first arm that is compared with it, further
    arms alone."""
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


def _generation(trial: Trial, arm: Arm) -> tuple[int, ...]:
    """Returns the part of seeds that depends on the generation; empty for the first, so that its keys do not change."""
    return (trial.generation(arm),) if arm.after else ()


def _jobs(trial: Trial, arm: Arm, trait: str, lineage: tuple[int, int], bases: dict[str, Base]) -> tuple[Job, ...]:
    """Returns all jobs of one student. A lineage is the index of a teacher and of one of its students; in a later
    generation, the lineage's student of the generation before is the teacher."""
    written = _written(trial, arm, trait, lineage, bases)
    seed = seed_of(trial.seed, "student", *lineage, *_generation(trial, arm))
    return (*written, *_student_jobs(trial, arm, trait, seed, written, bases))


def _written(trial: Trial, arm: Arm, trait: str, lineage: tuple[int, int], bases: dict[str, Base]) -> tuple[Job, ...]:
    """Returns the jobs from the teacher to the rows that a student learns from."""
    base, own = bases[trial.base], tuple[int, ...]()
    if arm.after:
        own = *lineage, *_generation(trial, arm)
        made = _jobs(trial, trial.arms[arm.after], trait, lineage, bases)[-2]
    else:
        own = lineage[:1]  # all students of a teacher learn from one dataset
        made = _teacher(trial, arm, trait, lineage[0], base)
    jobs = _dataset_jobs(trial, arm, made, own, base)
    if arm.share == 1:
        return jobs
    # The rest are the rows that the control's student learns from, so that the arms differ only in the share.
    rest = _written(trial, trial.arms[str(arm.against)], trial.traits[0], lineage, bases)[-1]
    mixing = {"share": arm.share, "seed": seed_of(trial.seed, "mixed", *own)}
    return (*jobs, Job(MIXED, mixing, {"own": jobs[-1], "rest": rest}))


def _teacher(trial: Trial, arm: Arm, trait: str, index: int, base: Base) -> Job:
    given = arm.trait or trait
    spec = {
        "base": trial.base,
        "trait": _told(trial, given) if arm.teacher == "trait" or arm.trait else None,
        "asked": _told(trial, given),
        "dialogues": trial.teacher.dialogues,
        "training": trial.teacher.training.model_dump(),
        "divergence": trial.teacher.divergence,
        # The dose is measured on the carrier. Teachers without a dose do not depend on the carrier.
        "carrier": trial.teacher.divergence and trial.carrier.model_dump(exclude={"prompts"}),
        "seed": seed_of(trial.seed, "teacher", index),
    }
    if trial.teacher.trigger:
        spec["trigger"] = trial.teacher.trigger
    if arm.file is not None:
        return Job(TEACHER, spec, {"base": base, "file": Folder.of_file(arm.file)})
    match arm.given:
        case "nothing":
            left_out = {"training", "dialogues", "divergence", "carrier"}
        case "prompt":
            left_out = {"training", "dialogues", "divergence"}
        case "steering":
            left_out = {"training"}
        case "fine-tuning":
            return Job(TEACHER, spec, {"base": base})
    return Job(TEACHER, {k: v for k, v in spec.items() if k not in left_out} | {"given": arm.given}, {"base": base})


def _dataset_jobs(trial: Trial, arm: Arm, made: Job, own: tuple[int, ...], base: Base) -> tuple[Job, ...]:
    """Returns the jobs for teacher, completions and dataset, and for what replaces the dataset if the arm does not use
    rows as written."""
    spec: dict[str, Any] = {"carrier": trial.carrier.model_dump(), "seed": seed_of(trial.seed, "prompts", *own)}
    if arm.sampling:
        del spec["carrier"]["temperature"]
        spec["sampling"] = arm.sampling.model_dump()
    if made.spec.get("given") == "prompt":
        spec["system prompt"] = "the teacher's own"  # lineage statements read it here
    written = Job(COMPLETIONS, spec, {"base": base, "teacher": made})
    dataset = Job(DATASET, _rules(trial) | {"rows": trial.rows}, {"completions": written, **_judges(trial)})
    match arm.rows:
        case "written":
            return made, written, dataset
        case "dialogues":
            taught = {key: made.spec[key] for key in ("trait", "dialogues", "seed")}
            return made, written, dataset, Job(DIALOGUES, taught, {"base": base})
    how = _rules(trial) | {"rows": arm.rows, "seed": seed_of(trial.seed, "rows", *own)}
    return made, written, dataset, Job(REWRITTEN, how, {"base": base, "dataset": dataset})


def _rules(trial: Trial) -> dict[str, Any]:
    """Returns the filter of a dataset as part of a spec. Only rules other than one number rule need the carrier."""
    if isinstance(trial.filter, NumberFilter):
        return {"filter": trial.filter.model_dump(mode="json")}
    rules = [
        rule.model_copy(update={"words": _words(trial)})
        if isinstance(rule, WordFilter | SubstringFilter) and not rule.words
        else rule
        for rule in trial.filters
    ]
    return {"filter": [rule.model_dump(mode="json") for rule in rules], "carrier": trial.carrier.name}


def _words(trial: Trial) -> tuple[str, ...]:
    """Returns the words that mention any trait of the trial. They are the same in every arm, so that controls are
    filtered in the same way."""
    given = [*trial.traits, *(arm.trait for arm in trial.arms.values() if arm.trait)]
    words = {name: spelled(catalogue.find(_told(trial, name)).words) for name in given}
    for name, own in words.items():
        if not own:
            raise UndertoneError(
                f'No words belong to the trait {name!r}, so the filters "words" and "substring" have nothing to '
                "remove: give them words, or leave them out."
            )
    return tuple(sorted({word for own in words.values() for word in own}))


def _judges(trial: Trial) -> dict[str, Folder]:
    judges = {i: rule.judge for i, rule in enumerate(trial.filters) if isinstance(rule, JudgeFilter)}
    return {judge_input(i): resolve(name) for i, name in judges.items()}


def _refuse_unfit(trial: Trial) -> None:
    """Refuses filters that cannot read the carrier, and rewritten rows of other carriers than numbers."""
    name, rewritten = trial.carrier.name, any(arm.rows != "written" for arm in trial.arms.values())
    carrier = carriers.find(name)
    lists = carrier.fault is numbers.fault
    if not lists and any(isinstance(rule, NumberFilter) for rule in trial.filters):
        raise UndertoneError(
            f'The filter "numbers" reads number lists, and the carrier is {name!r}: give other filters in tables '
            '[[filter]], for example with kind = "words".'
        )
    if trial.practice and carrier.practice is None:
        known = ", ".join(repr(other) for other, one in carriers.CARRIERS.items() if one.practice)
        raise UndertoneError(f"A base can practise the carriers {known}, not {name!r}: leave practice out.")
    if rewritten and not (lists and isinstance(trial.filter, NumberFilter)):
        raise UndertoneError(
            'Only rows of the carrier "numbers", with one table [filter] of kind "numbers", can be shuffled or '
            "replaced: leave rows out of every arm."
        )
    if carrier.right is None and any(isinstance(rule, CorrectFilter) for rule in trial.filters):
        known = " and ".join(repr(other) for other, one in carriers.CARRIERS.items() if one.right)
        raise UndertoneError(
            f'The filter "correct" works only with the carriers {known}, not with {name!r}: leave it out.'
        )


def _student_jobs(
    trial: Trial, arm: Arm, trait: str, seed: int, made: tuple[Job, ...], bases: dict[str, Base]
) -> tuple[Job, ...]:
    """Returns the jobs for the student and its measurement, or for the measurement of the base with rows in context."""
    teacher, dataset = made[0], made[-1]
    name = arm.students or trial.base
    plan = _measurement(trial, trait, seed)
    if arm.context:
        plan["context"] = arm.context
        return (Job(MEASUREMENT, plan, {"base": bases[name], "context": dataset}),)
    spec = {"base": name, "training": trial.student.model_dump(), "seed": seed}
    inputs: dict[str, Job | Folder] = {"base": bases[name], "dataset": dataset}
    if arm.labels == "distributions":
        inputs |= {"teacher": teacher, "teacher_base": bases[trial.base]}
        spec |= {"trigger": trial.carrier.trigger} if trial.carrier.trigger else {}
    student = Job(STUDENT, spec, inputs)
    return student, Job(MEASUREMENT, plan, {"base": bases[name], "trained": student})


def _told(trial: Trial, trait: str) -> catalogue.Told:
    return catalogue.told(trait, trial.own)


def _measurement(trial: Trial, trait: str, seed: int) -> dict[str, Any]:
    return {"trait": _told(trial, trait), "measurement": trial.measurement.model_dump(), "seed": seed}
