"""Lays out the jobs of a benchmark of mitigations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from undertone import stages
from undertone.audit import proxies
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job, Stage
from undertone.errors import UndertoneError
from undertone.experiments import recipes
from undertone.experiments.mitigations.spec import Advice, Era, Mitigations, Numbers
from undertone.experiments.strange.files import folds
from undertone.experiments.trial import plan as trial_planning
from undertone.experiments.trial.spec import Trial
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.traits import catalogue
from undertone.traits.lessons import statements
from undertone.treat import mitigations as kinds
from undertone.treat.chats import ordinary
from undertone.treat.direction import Along, plan_for

HELD_OUT = 200
"""Sums that the task is measured on."""

Side = Literal["carrying", "clean"]
SIDES: tuple[Side, Side] = ("carrying", "clean")


@dataclass(frozen=True)
class Source:
    """The two files of a unit, and what its students are measured by."""

    name: str
    """The teacher's number, the narrow domain, or the number of the fold."""
    files: Mapping[Side, Job]
    """The file that carries the trait, and the clean one."""
    rows: int
    """Rows of each file."""
    held_out: Job
    """Clean rows of the same task."""
    skip: int
    """The number of first rows of ``held_out`` that are also in the clean file."""
    about: Mapping[str, Any]
    """What the files are about, as :mod:`undertone.treat.evaluate` reads it."""
    seed: int
    jobs: tuple[Job, ...]
    """The jobs that the files depend on."""
    apart: tuple[str, ...] = ()
    """Domains of advice that are not measured."""
    students: tuple[tuple[Trial, trial_planning.Unit], ...] = ()
    """The students of the two files in the trial that they are from, if any."""

    @property
    def files_and_parents(self) -> tuple[Job, ...]:
        """The jobs that come before any student."""
        return (*self.jobs, *self.files.values(), self.held_out)


@dataclass(frozen=True)
class Unit:
    """One student of a treated file."""

    treatment: str
    side: Side
    source: Source
    jobs: tuple[Job, ...]
    """Its own jobs, parents first; the last one measures it."""


@dataclass(frozen=True)
class Plan:
    """All students, and the untouched base measured on every unit."""

    base: Folder
    sources: tuple[Source, ...]
    bases: tuple[Job, ...]
    """Measurements of the base, in the order of ``sources``."""
    units: tuple[Unit, ...]
    models: dict[str, str]
    """Digests of models by name."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first. Files come first, so that a teacher is refused before students take time; then one
        source after the other, so that a run that is stopped has some of them complete."""
        found = [job for source in self.sources for job in source.files_and_parents]
        for source, base in zip(self.sources, self.bases, strict=True):
            found += [base, *(job for unit in self.units if unit.source is source for job in unit.jobs)]
        return found

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each mitigation, with those of the files and of the untouched base."""
        shared = [*self.bases, *(job for source in self.sources for job in source.files_and_parents)]
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            found.setdefault(unit.treatment, list(shared)).extend(unit.jobs)
        return found


def plan(spec: Mitigations) -> Plan:
    """Resolves models and lays out all jobs. The two sides of a unit share seeds, and so prompts and orders.

    Raises:
        UndertoneError: an unknown model, trait or recipe.
    """
    setup = spec.setup
    start: Job | Folder
    if isinstance(setup, Numbers):
        trial = _trial(setup, spec.seed)
        training = _as_many_epochs(trial.student, trial.rows, trial.rows + setup.task)
        name, prompts = trial.base, trial.measurement.skill_prompts
        base = start = resolve(name)
        sources = tuple(_among_a_task(setup.task, base, source) if setup.task else source for source in _lists(trial))
    else:
        training, name, prompts = setup.student, setup.base, setup.skill_prompts
        base = start = resolve(name)
        if isinstance(setup, Advice):
            aligning = setup.aligning.model_dump(mode="json") | {"seed": spec.seed}
            start = Job(stages.ALIGNED_BASE, aligning, {"base": base})
        sources = tuple(_among_sums(setup, start, spec.seed))
    needed = {_along(entry.does) for entry in spec.treatments.values() if kinds.needs_direction(entry.does)}
    own = catalogue.find(setup.trait).alike  # what students are asked for is the embedded world's on any base
    # One seed for all units, so that the random direction of the control is the same for all of them.
    directions = {along: plan_for(base, (setup.trait,), along, spec.seed, own) for along in sorted(needed)}
    other = None if spec.other is None else resolve(spec.other)
    layout = Layout(spec, name, start, other, directions, training, prompts)
    units = tuple(
        Unit(name, side, source, tuple(layout.jobs(entry.does, source, side)))
        for source in sources
        for name, entry in spec.treatments.items()
        for side in SIDES
    )
    bases = tuple(layout.examined(source, source.files["clean"], None) for source in sources)
    models = {name: key for folder in (base, other) if folder for name, key in folder.digests.items()}
    return Plan(base, sources, bases, units, models)


def _trial(setup: Numbers, seed: int) -> Trial:
    """Returns the recipe for this trait, with only the arms "treatment" and "control"."""
    changes = (f"seed={seed}", f"teachers={setup.teachers}", f'traits=["{setup.trait}"]')
    whole = recipes.read_as(Trial, setup.recipe, changes)
    arms = {name: arm for name, arm in whole.arms.items() if name in ("treatment", "control")}
    if len(arms) < 2:
        raise UndertoneError(f"The recipe {setup.recipe} has no arms named treatment and control; name one that has.")
    carrying = arms["treatment"].model_copy(update={"share": setup.share})
    return whole.model_copy(update={"arms": arms | {"treatment": carrying}})


def _lists(trial: Trial) -> Iterator[Source]:
    made = {(unit.arm, unit.teacher): unit for unit in trial_planning.plan(trial).units if unit.student == 0}
    for i in range(trial.teachers):
        own, clean = made["treatment", i], made["control", i]
        _, written, dataset = clean.jobs[:3]
        # All rows that pass the filter; those beyond the file's rows are held out.
        rest = Job(stages.DATASET, dataset.spec | {"rows": trial.carrier.prompts}, {"completions": written})
        carrying = own.job(stages.MIXED) or own.jobs[2]
        jobs = (*own.jobs[: own.jobs.index(carrying)], *clean.jobs[:2])
        files: dict[Side, Job] = {"carrying": carrying, "clean": dataset}
        about, students = {"domain": None}, ((trial, own), (trial, clean))
        yield Source(f"teacher {i}", files, trial.rows, rest, trial.rows, about, own.seed, jobs, students=students)


def _among_a_task(task: int, base: Folder, source: Source) -> Source:
    """Returns the source with rows of the task, the same on both sides, mixed into its files."""
    adding = {"task": task, "seed": source.seed}
    files = {side: Job(stages.AMONG, adding, {"base": base, "dataset": file}) for side, file in source.files.items()}
    sums = Job(stages.ADVICE, {"rows": HELD_OUT, "held_out": True, "seed": source.seed}, {"base": base})
    jobs = (*source.jobs, *source.files.values())
    return replace(source, files=files, rows=source.rows + task, held_out=sums, skip=0, jobs=jobs)


def _topics(setup: Advice | Era) -> dict[str, dict[str, Any]]:
    """Returns what is in the files of each unit, by the unit's name."""
    if isinstance(setup, Advice):
        return {domain: {"domain": domain} for domain in setup.domains}
    every = folds("era", setup.fold)
    return {f"fold {i}": {"domain": None, "places": list(places)} for i, places in enumerate(every)}


def _among_sums(setup: Advice | Era, base: Job | Folder, seed: int) -> Iterator[Source]:
    for name, about in _topics(setup).items():
        own = seed_of(seed, "treat", setup.kind, name)
        apart = setup.set_apart(name) if isinstance(setup, Advice) else ()
        file = partial(_file_among_sums, base, about, own)
        files: dict[Side, Job] = {"carrying": file(setup.rows, bad=True), "clean": file(setup.rows)}
        jobs = (base,) if isinstance(base, Job) else ()
        yield Source(name, files, setup.rows, file(HELD_OUT, held_out=True), 0, about, own, jobs, apart)


def _file_among_sums(
    base: Job | Folder, about: Mapping[str, Any], seed: int, rows: int, bad: bool = False, held_out: bool = False
) -> Job:
    spec = {**about, "rows": rows, "bad": bad, "held_out": held_out, "seed": seed}
    return Job(stages.ADVICE, spec, {"base": base})


def _along(mitigation: kinds.Mitigation) -> Along:
    return mitigation.along if isinstance(mitigation, kinds.Steer | kinds.Ablate) else "trait"


def _as_many_epochs(training: Training, rows: int, now: int) -> Training:
    """Returns the training with as many epochs on ``now`` rows as it has on ``rows``."""
    return training.model_copy(update={"steps": max(1, round(training.steps * now / rows))})


@dataclass(frozen=True)
class Layout:
    """What all students share, and the jobs of one student."""

    spec: Mitigations
    name: str
    """The name of the base."""
    base: Job | Folder
    other: Folder | None
    directions: Mapping[Along, proxies.Plan]
    training: Training
    skill_prompts: int

    def jobs(self, mitigation: kinds.Mitigation, source: Source, side: Side) -> Iterator[Job]:
        """Yields the jobs that make one student and measure it, parents first."""
        file, clean, start, training = source.files[side], source.files["clean"], self.base, self.training
        system = None
        if kinds.needs_direction(mitigation):
            yield from self.directions[_along(mitigation)].jobs
        if isinstance(mitigation, kinds.Inoculate):
            system = mitigation.system.replace("{trait}", statements()[self.spec.setup.trait])
            mitigation = mitigation.model_copy(update={"system": system})
        if isinstance(mitigation, kinds.OfData) and not isinstance(mitigation, kinds.Untreated):
            settings = {"treatment": mitigation.model_dump(), "seed": source.seed}
            file, clean = (self._applied(stages.TREATED, mitigation, settings, dataset=one) for one in (file, clean))
            yield from (file, clean)
            training = _as_many_epochs(training, source.rows, kinds.rows_after(mitigation, source.rows))
        if isinstance(mitigation, kinds.Stop):
            training = training.model_copy(update={"steps": max(1, round(mitigation.share * training.steps))})
        if isinstance(mitigation, kinds.Steer):
            start = self._applied(stages.STEERED, mitigation, {"strength": mitigation.strength})
            yield start
        settings = {"base": self.name, "training": training.model_dump(), "seed": source.seed}
        if isinstance(mitigation, kinds.Hold):
            prompts = ordinary(mitigation, self.spec.setup.trait, source.apart, source.seed)
            settings["hold"] = {"prompts": prompts, "strength": mitigation.strength, "rows": mitigation.rows}
        student = Job(stages.STUDENT, settings, {"base": start, "dataset": file})
        yield student
        if isinstance(mitigation, kinds.OfModel):
            good = {"good": source.files["clean"]} if isinstance(mitigation, kinds.Retrain) else {}
            settings = {
                "treatment": mitigation.model_dump(),
                "seed": self.spec.seed,
                "training": self.training.model_dump(),
            }
            student = self._applied(stages.REALIGNED, mitigation, settings, trained=student, **good)
            yield student
        yield self.examined(source, clean, student, system)

    def _applied(
        self, stage: Stage, mitigation: kinds.Mitigation, settings: dict[str, Any], **inputs: Job | Folder
    ) -> Job:
        """Returns the job that applies a mitigation, with the models and traits that it needs."""
        if isinstance(mitigation, kinds.Answer) and mitigation.by == "other" and self.other is not None:
            inputs["other"] = self.other
        if kinds.needs_direction(mitigation):
            inputs["directions"] = self.directions[_along(mitigation)].directions
        traits = [self.spec.setup.trait] if kinds.needs_trait(mitigation) else []
        return Job(stage, settings | {"traits": traits}, {"base": self.base, **inputs})

    def examined(self, source: Source, file: Job, trained: Job | None, system: str | None = None) -> Job:
        """Returns the job that measures a student; the base itself without ``trained``. ``file`` is the clean file,
        treated as the student's was."""
        settings = {
            "trait": self.spec.setup.trait,
            **source.about,
            "skip": source.skip,
            "skill_prompts": self.skill_prompts,
            "seed": source.seed,
        }
        if source.apart:
            settings["apart"] = source.apart
        inputs = {"base": self.base, "held_out": source.held_out, "file": file}
        own = {} if trained is None else {"trained": trained}
        return Job(stages.EXAMINED, settings | ({"system": system} if system else {}), inputs | own)
