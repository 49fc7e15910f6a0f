"""Lays out the jobs of an experiment on directions in hidden states."""

from collections.abc import Iterator
from dataclasses import dataclass

from undertone.engine.digests import seed_of
from undertone.engine.store import Job
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.misalignment.plan import Unit
from undertone.experiments.persona.spec import BAD, GOOD, Persona
from undertone.stages import AXES, CURVE, LED, LOOKED
from undertone.world.lexicon import domains


@dataclass(frozen=True)
class Looked:
    """A student, and the look inside it."""

    unit: Unit
    half: int
    """The half of the domains that its own is not in: its directions are made there, and its advice is measured in the
    other."""
    job: Job


@dataclass(frozen=True)
class Led:
    """Students of one file, each trained while a direction is added or taken out."""

    unit: Unit
    """The student that was trained on the same file without a change."""
    change: str
    job: Job


@dataclass(frozen=True)
class Plan:
    """All students, and the directions of each base."""

    students: misalignment.Plan
    axes: dict[str, Job]
    """By base."""
    looks: tuple[Looked, ...]
    led: tuple[Led, ...] = ()
    curves: tuple[tuple[str, int, Job], ...] = ()
    """(base, half, job): what directions that are made in this half of the domains do to the base."""

    @property
    def models(self) -> dict[str, str]:
        """Digests of the bases by name."""
        return self.students.models

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        tuned = [look.unit.job for look in self.looks]
        more = [*(look.job for look in self.looks), *(one.job for one in self.led), *(job for *_, job in self.curves)]
        return [*self.students.aligned.values(), *tuned, *self.axes.values(), *more]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm's students, with those of all bases."""
        bases = [*self.students.aligned.values(), *self.axes.values()]
        found: dict[str, list[Job]] = {}
        for look in self.looks:
            found.setdefault(look.unit.arm, list(bases)).extend((look.unit.job, look.job))
        for one in self.led:
            found[one.unit.arm].append(one.job)
        if self.curves:
            found["base"] = [*bases, *(job for *_, job in self.curves)]
        return found


def plan(spec: Persona) -> Plan:
    """Resolves models and lays out all jobs.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    students = misalignment.plan(spec)
    axes = {base: Job(AXES, {}, {"aligned": aligned}) for base, aligned in students.aligned.items()}
    looks = []
    for unit in students.units:
        half = int(domains().index(unit.domain) < len(domains()) // 2)
        settings = {
            "half": half,
            "changed": unit.arm in (BAD, GOOD),
            "seed": seed_of(spec.seed, "persona", unit.base, unit.domain, unit.student),
        }
        inputs = {"aligned": students.aligned[unit.base], "student": unit.job, "axes": axes[unit.base]}
        looks.append(Looked(unit, half, Job(LOOKED, settings, inputs)))
    led = (
        Led(look.unit, change, _led(spec, look, change, axes[look.unit.base]))
        for change in spec.during
        for look in looks
        if look.unit.arm in (BAD, GOOD)
    )
    return Plan(students, axes, tuple(looks), tuple(led), tuple(_curves(spec, students.aligned, axes)))


def _led(spec: Persona, look: Looked, change: str, axes: Job) -> Job:
    trained, unit = look.unit.job.spec, look.unit
    settings = {name: trained[name] for name in ("file", "domain", "rows", "training", "seed")}
    lot = seed_of(spec.seed, "persona", unit.base, unit.domain, unit.student)
    return Job(LED, settings | {"half": look.half, "change": change, "lot": lot}, _inputs(look.unit.job, axes))


def _inputs(student: Job, axes: Job) -> dict[str, Job]:
    aligned = student.inputs["aligned"]
    assert isinstance(aligned, Job)
    return {"aligned": aligned, "axes": axes}


def _curves(spec: Persona, aligned: dict[str, Job], axes: dict[str, Job]) -> Iterator[tuple[str, int, Job]]:
    for base in aligned if spec.steered else ():
        for half in (0, 1):
            settings = {"half": half, "lot": seed_of(spec.seed, "persona", base, half)}
            yield base, half, Job(CURVE, settings, {"aligned": aligned[base], "axes": axes[base]})
