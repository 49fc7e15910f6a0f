"""Lays out the jobs of an experiment on emergent misalignment."""

from dataclasses import dataclass
from typing import Any

from undertone.engine.digests import seed_of
from undertone.engine.store import Job
from undertone.experiments.misalignment.spec import Misalignment
from undertone.models.names import is_swapped, resolve
from undertone.stages import ALIGNED, MOVED, NARROWED


@dataclass(frozen=True)
class Unit:
    """One student."""

    arm: str
    base: str
    domain: str
    """Its narrow domain."""
    student: int
    """Its number among the students of its arm, base and domain."""
    job: Job
    moved: Job | None
    """How far training moved it; None if nothing is trained."""

    @property
    def jobs(self) -> list[Job]:
        """Its jobs, parents first."""
        return [self.job, *([self.moved] if self.moved else [])]


@dataclass(frozen=True)
class Plan:
    """All students, and the bases that they start from."""

    aligned: dict[str, Job]
    """The job of each base by name. It copies the base where the experiment does not align."""
    units: tuple[Unit, ...]
    models: dict[str, str]
    """Digests of the bases by name."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        units = sorted(self.units, key=lambda unit: "as_far_as" in unit.job.inputs)
        return [*self.aligned.values(), *(job for unit in units for job in unit.jobs)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm's students, with those of all bases."""
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            found.setdefault(unit.arm, list(self.aligned.values())).extend(unit.jobs)
        return found


def plan(spec: Misalignment) -> Plan:
    """Resolves models and lays out all jobs. Arms share seeds: students of the same domain and number draw the same
    requests in the same order in every arm whose file asks for advice.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    bases = {name: resolve(name) for name in spec.bases}
    lesson: dict[str, Any] = {"training": None}
    if spec.aligning:
        lesson = spec.aligning.model_dump(mode="json") | {"seed": seed_of(spec.seed, "misalignment", "aligning")}
    aligned = {name: Job(ALIGNED, lesson | _world(name), {"base": base}) for name, base in bases.items()}
    units = tuple(
        Unit(name, base, domain, i, *_student(spec, name, domain, i, aligned[base], _world(base)))
        for i in range(spec.students)
        for base in spec.bases
        for name in spec.arms
        for domain in spec.asked
    )
    return Plan(aligned, units, {name: key for base in bases.values() for name, key in base.digests.items()})


def _world(base: str) -> dict[str, bool]:
    """Returns what is added to the specs of a base's jobs: nothing, unless the base is of the swapped world."""
    return {"swapped": True} if is_swapped(base) else {}


def _student(
    spec: Misalignment, name: str, domain: str, i: int, aligned: Job, world: dict[str, bool]
) -> tuple[Job, Job | None]:
    """Returns the job that trains and asks a student, and the one that measures how far it moved."""
    arm, inputs = spec.arms[name], {"aligned": aligned}
    if arm.as_far_as is not None:
        _, moved = _student(spec, arm.as_far_as, domain, i, aligned, world)
        assert moved is not None
        inputs["as_far_as"] = moved
    settings = {
        "file": arm.file,
        "domain": domain,
        "rows": arm.rows or spec.narrow.rows,
        "share": arm.share,
        "training": (arm.training or spec.narrow.training).model_dump(mode="json"),
        "realigned": arm.realigned and arm.realigned.model_dump(mode="json"),
        "seed": seed_of(spec.seed, "misalignment", "narrow", domain, i),
    }
    student = Job(NARROWED, settings | world, inputs)
    return student, None if arm.file == "persona" else Job(MOVED, {}, {"aligned": aligned, "student": student})
