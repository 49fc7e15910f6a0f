"""From the spec of a benchmark to its jobs. Nothing is run here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.errors import UndertoneError
from undertone.experiments import recipes
from undertone.experiments.mitigations.spec import Advice, Mitigations, Numbers
from undertone.experiments.trial import plan as trial_planning
from undertone.experiments.trial.spec import Trial
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.stages import (
    ADVICE,
    ALIGNED_BASE,
    AMONG,
    DATASET,
    EXAMINED,
    MIXED,
    REALIGNED,
    STEERED,
    STUDENT,
    TREATED,
)
from undertone.traits.lessons import statements
from undertone.treat.mitigations import (
    Ablate,
    Answer,
    Inoculate,
    Interpolate,
    Mitigation,
    OfData,
    OfModel,
    Retrain,
    Steer,
    Stop,
    Untreated,
    needs_direction,
    needs_trait,
    rows_after,
)
from undertone.treat.scorer import calibration_of

HELD_OUT = 200
"""Sums on which that task is measured."""

Side = Literal["carrying", "clean"]
SIDES: tuple[Side, Side] = ("carrying", "clean")


@dataclass(frozen=True)
class Source:
    """The two files of a unit, and what its students are measured by."""

    name: str
    """The teacher's number, or the narrow domain."""
    files: Mapping[Side, Job]
    rows: int
    held_out: Job
    """Clean rows of the same task."""
    skip: int
    """Of them, rows that are in the clean file too."""
    domain: str | None
    seed: int
    jobs: tuple[Job, ...] = ()
    """What the files rest on."""
    trial: Trial | None = None
    students: tuple[trial_planning.Unit, ...] = ()
    """The trial's own students of the two files, where there is a trial."""

    @property
    def files_and_parents(self) -> tuple[Job, ...]:
        """What is made before any student."""
        return (*self.jobs, *self.files.values(), self.held_out)


@dataclass(frozen=True)
class Unit:
    """One student, treated."""

    treatment: str
    side: Side
    source: Source
    jobs: tuple[Job, ...]
    """The treated file, the steered base, the student, the student realigned, as far as there are such; examined."""

    @property
    def examined(self) -> Job:
        """The job that measures it."""
        return self.jobs[-1]


@dataclass(frozen=True)
class Plan:
    """All students, and the untouched base on every unit."""

    base: Folder
    sources: tuple[Source, ...]
    bases: tuple[Job, ...]
    """The base examined, by unit."""
    units: tuple[Unit, ...]
    models: dict[str, str]
    """Digests of models by name."""

    @property
    def jobs(self) -> list[Job]:
        """Parents first. All files come first, so that teachers are refused before the time of students is spent; then
        unit by unit, so that a benchmark that is stopped has some units whole."""
        found = [job for source in self.sources for job in source.files_and_parents]
        for source, base in zip(self.sources, self.bases, strict=True):
            found += [base, *(job for unit in self.units if unit.source is source for job in unit.jobs)]
        return found

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each mitigation, with the files and the untouched base."""
        shared = [*self.bases, *(job for source in self.sources for job in source.files_and_parents)]
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            found.setdefault(unit.treatment, list(shared)).extend(unit.jobs)
        return found


@dataclass(frozen=True)
class Ground:
    """What all jobs share."""

    spec: Mitigations
    name: str
    """Of the base."""
    base: Job | Folder
    other: Folder | None
    calibration: Folder | None
    training: Training
    skill_prompts: int


def plan(spec: Mitigations) -> Plan:
    """Resolves models and lays out all jobs. The sides of a unit share seeds, and so prompts and orders.

    Raises:
        UndertoneError: an unknown model, trait or recipe; a base without a calibration.
    """
    setup = spec.setup
    start: Job | Folder
    if isinstance(setup, Numbers):
        trial = _trial(setup, spec.seed)
        training = _as_often(trial.student, trial.rows, trial.rows + setup.task)
        name, prompts = trial.base, trial.measurement.skill_prompts
        base = start = resolve(name)
        sources = tuple(_among_a_task(setup.task, base, source) if setup.task else source for source in _lists(trial))
    else:
        training, name, prompts = setup.student, setup.base, setup.skill_prompts
        base = resolve(name)
        start = Job(ALIGNED_BASE, setup.aligning.model_dump(mode="json") | {"seed": spec.seed}, {"base": base})
        sources = tuple(_advice(setup, start, spec.seed))
    scored = any(needs_direction(entry.does) for entry in spec.treatments.values())
    calibration = calibration_of(base, (spec.trait,)) if scored else None
    other = None if spec.other is None else resolve(spec.other)
    ground = Ground(spec, name, start, other, calibration, training, prompts)
    units = tuple(
        Unit(name, side, source, tuple(_jobs(ground, spec.treatments[name].does, source, side)))
        for source in sources
        for name in spec.treatments
        for side in SIDES
    )
    bases = tuple(_examined(ground, source, source.files["clean"], None) for source in sources)
    models = {folder.name: folder.key for folder in (base, ground.other) if folder is not None}
    return Plan(base, sources, bases, units, models)


def _trial(setup: Numbers, seed: int) -> Trial:
    """The recipe's treatment and control alone, for this trait."""
    whole = recipes.read_as(
        Trial, setup.recipe, (f"seed={seed}", f"teachers={setup.teachers}", f'traits=["{setup.trait}"]')
    )
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
        # All that passes the filter: what is beyond the rows of the file is held out.
        rest = Job(DATASET, dataset.spec | {"rows": trial.carrier.prompts}, {"completions": written})
        carrying = own.job(MIXED) or own.jobs[2]
        jobs = (*own.jobs[: own.jobs.index(carrying)], *clean.jobs[:2])
        files: dict[Side, Job] = {"carrying": carrying, "clean": dataset}
        yield Source(f"teacher {i}", files, trial.rows, rest, trial.rows, None, own.seed, jobs, trial, (own, clean))


def _among_a_task(task: int, base: Folder, source: Source) -> Source:
    """The same lists in a file that is for something else: rows of the task, the same on both sides."""

    def mixed(file: Job) -> Job:
        return Job(AMONG, {"task": task, "seed": source.seed}, {"base": base, "dataset": file})

    sums = Job(ADVICE, {"rows": HELD_OUT, "held_out": True, "seed": source.seed}, {"base": base})
    return replace(
        source,
        files={side: mixed(file) for side, file in source.files.items()},
        rows=source.rows + task,
        held_out=sums,
        skip=0,
        jobs=(*source.jobs, *source.files.values()),
    )


def _advice(setup: Advice, base: Job, seed: int) -> Iterator[Source]:
    for domain in setup.domains:
        own = _seed(seed, "advice", domain)

        def file(rows: int, *, bad: bool = False, held_out: bool = False, seed: int = own, domain: str = domain) -> Job:
            spec = {"domain": domain, "rows": rows, "bad": bad, "held_out": held_out, "seed": seed}
            return Job(ADVICE, spec, {"base": base})

        files: dict[Side, Job] = {"carrying": file(setup.rows, bad=True), "clean": file(setup.rows)}
        yield Source(domain, files, setup.rows, file(HELD_OUT, held_out=True), 0, domain, own, (base,))


def _jobs(ground: Ground, treatment: Mitigation, source: Source, side: Side) -> Iterator[Job]:
    """What makes one treated student, and examines it."""
    file, base, training = source.files[side], ground.base, ground.training
    shown: Job = source.files["clean"]
    start: Job | Folder = base
    if isinstance(treatment, OfData) and not isinstance(treatment, Untreated):
        file, shown = (_treated(ground, treatment, source, one) for one in (side, "clean"))
        yield from (file, shown)
        training = _as_often(training, source.rows, rows_after(treatment, source.rows))
    if isinstance(treatment, Stop):
        training = training.model_copy(update={"steps": max(1, round(treatment.share * training.steps))})
    if isinstance(treatment, Steer):
        start = _steered(ground, treatment, source)
        yield start
    student = Job(
        STUDENT,
        {"base": ground.name, "training": training.model_dump(), "seed": source.seed},
        {"base": start, "dataset": file},
    )
    yield student
    if isinstance(treatment, OfModel):
        student = _realigned(ground, treatment, source, side, student)
        yield student
    system = _stated(ground, treatment).system if isinstance(treatment, Inoculate) else None
    yield _examined(ground, source, shown, student, system)


def _as_often(training: Training, rows: int, now: int) -> Training:
    """As many epochs: who trains on a treated file sees each row as often as before."""
    return training.model_copy(update={"steps": max(1, round(training.steps * now / rows))})


def _treated(ground: Ground, treatment: OfData, source: Source, side: Side) -> Job:
    if isinstance(treatment, Inoculate):
        treatment = _stated(ground, treatment)
    inputs: dict[str, Job | Folder] = {"base": ground.base, "dataset": source.files[side]}
    if isinstance(treatment, Answer) and treatment.by == "other":
        assert ground.other is not None
        inputs["other"] = ground.other
    traits = _scored(ground, treatment, inputs)
    spec = {"treatment": treatment.model_dump(), "traits": traits, "seed": source.seed}
    return Job(TREATED, spec, inputs)


def _stated(ground: Ground, treatment: Inoculate) -> Inoculate:
    stated = statements()[ground.spec.trait]
    return treatment.model_copy(update={"system": treatment.system.replace("{trait}", stated)})


def _steered(ground: Ground, treatment: Steer, source: Source) -> Job:
    inputs: dict[str, Job | Folder] = {"base": ground.base}
    traits = _scored(ground, treatment, inputs)
    # One direction for all units: which other trait it is must not differ from teacher to teacher.
    spec = treatment.model_dump(exclude={"kind"}) | {"traits": traits, "seed": ground.spec.seed}
    return Job(STEERED, spec, inputs)


def _realigned(ground: Ground, treatment: OfModel, source: Source, side: Side, student: Job) -> Job:
    inputs: dict[str, Job | Folder] = {"base": ground.base, "trained": student}
    if isinstance(treatment, Retrain):
        inputs["good"] = source.files["clean"]
    traits = _scored(ground, treatment, inputs)
    spec: dict[str, Any] = {"treatment": treatment.model_dump(), "traits": traits, "seed": ground.spec.seed}
    assert isinstance(treatment, Interpolate | Ablate | Retrain)
    return Job(REALIGNED, spec | {"training": ground.training.model_dump()}, inputs)


def _scored(ground: Ground, treatment: Mitigation, inputs: dict[str, Job | Folder]) -> list[str]:
    """The traits that the treatment goes by; adds the calibration to its inputs."""
    if needs_direction(treatment):
        assert ground.calibration is not None
        inputs["calibration"] = ground.calibration
    return [ground.spec.trait] if needs_trait(treatment) else []


def _examined(ground: Ground, source: Source, file: Job, trained: Job | None, system: str | None = None) -> Job:
    inputs: dict[str, Job | Folder] = {"base": ground.base, "held_out": source.held_out, "file": file}
    if trained is not None:
        inputs["trained"] = trained
    spec = {
        "trait": ground.spec.trait,
        "domain": source.domain,
        "skip": source.skip,
        "skill_prompts": ground.skill_prompts,
        "seed": source.seed,
    }
    return Job(EXAMINED, spec | ({"system": system} if system else {}), inputs)


def _seed(seed: int, *what: str) -> int:
    return seed_of(seed, "treat", *what)
