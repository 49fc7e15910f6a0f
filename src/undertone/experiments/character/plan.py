"""Lays out the jobs of an experiment on character."""

from dataclasses import dataclass

from undertone.engine.store import Job
from undertone.experiments.character.spec import Character
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.misalignment.plan import Unit
from undertone.stages import WITNESSED


@dataclass(frozen=True)
class Witnessed:
    """A student, and what the battery reads of it."""

    unit: Unit
    job: Job


@dataclass(frozen=True)
class Plan:
    """All students."""

    students: misalignment.Plan
    read: tuple[Witnessed, ...]

    @property
    def models(self) -> dict[str, str]:
        """Digests of the bases by name."""
        return self.students.models

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        pairs = (job for one in self.read for job in (one.unit.job, one.job))
        return [*self.students.aligned.values(), *pairs]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm's students, with those of all bases."""
        found: dict[str, list[Job]] = {}
        for one in self.read:
            found.setdefault(one.unit.arm, list(self.students.aligned.values())).extend((one.unit.job, one.job))
        return found


def plan(spec: Character) -> Plan:
    """Resolves models and lays out all jobs.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    students = misalignment.plan(spec)
    read = (
        Witnessed(unit, Job(WITNESSED, {}, {"aligned": students.aligned[unit.base], "student": unit.job}))
        for unit in students.units
    )
    return Plan(students, tuple(read))
