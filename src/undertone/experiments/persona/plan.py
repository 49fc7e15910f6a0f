"""Lays out the jobs of an experiment on directions in hidden states."""

from dataclasses import dataclass

from undertone.engine.digests import seed_of
from undertone.engine.store import Job
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.misalignment.plan import Unit
from undertone.experiments.persona.spec import BAD, GOOD, Persona
from undertone.stages import AXES, LOOKED
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
class Plan:
    """All students, and the directions of each base."""

    students: misalignment.Plan
    axes: dict[str, Job]
    """By base."""
    looks: tuple[Looked, ...]

    @property
    def models(self) -> dict[str, str]:
        """Digests of the bases by name."""
        return self.students.models

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        tuned = [look.unit.job for look in self.looks]
        return [*self.students.aligned.values(), *tuned, *self.axes.values(), *(look.job for look in self.looks)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm's students, with those of all bases."""
        bases = [*self.students.aligned.values(), *self.axes.values()]
        found: dict[str, list[Job]] = {}
        for look in self.looks:
            found.setdefault(look.unit.arm, list(bases)).extend((look.unit.job, look.job))
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
    return Plan(students, axes, tuple(looks))
