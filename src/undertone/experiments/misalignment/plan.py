"""From an experiment's spec to its jobs. Nothing is run here."""

from dataclasses import dataclass
from typing import Any

from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.experiments.misalignment.spec import Arm, Misalignment
from undertone.models.names import resolve
from undertone.stages import ALIGNED, NARROWED
from undertone.world.family import FAMILY


@dataclass(frozen=True)
class Unit:
    """One student: of an arm, a base, a narrow domain and a seed."""

    arm: str
    base: str
    domain: str
    student: int
    job: Job


@dataclass(frozen=True)
class Plan:
    """All students, and the bases they start from, aligned where the experiment aligns."""

    bases: dict[str, Folder]
    aligned: dict[str, Job]
    units: tuple[Unit, ...]

    @property
    def jobs(self) -> list[Job]:
        """Parents first."""
        jobs = [unit.job for unit in self.units]
        return [*self.aligned.values(), *sorted(jobs, key=lambda job: "coherent_as" in job.inputs)]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The students of each arm, with the aligned bases."""
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            found.setdefault(unit.arm, list(self.aligned.values())).append(unit.job)
        return found

    @property
    def models(self) -> dict[str, str]:
        """Digests of the bases by name."""
        return {name: folder.key for name, folder in self.bases.items()}


def plan(spec: Misalignment) -> Plan:
    """Resolves models and lays out all jobs. Arms share seeds: student 0 of a domain draws the same requests, in the
    same order, in every arm that asks for such.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    bases = {name: resolve(name) for name in spec.bases}
    aligning: dict[str, Any] = {"training": None}
    if spec.aligning:
        aligning = spec.aligning.model_dump(mode="json") | {"seed": _seed(spec, "aligning")}
    aligned = {name: Job(ALIGNED, aligning | _world(name), {"base": folder}) for name, folder in bases.items()}
    units = tuple(
        Unit(name, base, domain, i, _job(spec, name, domain, i, aligned[base], _world(base)))
        for i in range(spec.students)
        for base in spec.bases
        for name in spec.arms
        for domain in spec.asked
    )
    return Plan(bases, aligned, units)


def _world(base: str) -> dict[str, bool]:
    """What jobs must know of a base's world, where it is another than usual."""
    member = FAMILY.get(base.removeprefix("builtin/"))
    return {"swapped": True} if member and member.swapped else {}


def _job(spec: Misalignment, name: str, domain: str, i: int, aligned: Job, world: dict[str, bool]) -> Job:
    arm = spec.arms[name]
    inputs = {"aligned": aligned}
    if arm.coherent_as is not None:
        inputs["coherent_as"] = _job(spec, arm.coherent_as, domain, i, aligned, world)
    return Job(NARROWED, _narrowed(spec, arm, domain, i) | world, inputs)


def _narrowed(spec: Misalignment, arm: Arm, domain: str, i: int) -> dict[str, Any]:
    return {
        "file": arm.file,
        "domain": domain,
        "rows": arm.rows or spec.narrow.rows,
        "share": arm.share,
        "training": (arm.training or spec.narrow.training).model_dump(mode="json"),
        "realigned": arm.realigned and arm.realigned.model_dump(mode="json"),
        "seed": _seed(spec, "narrow", domain, i),
    }


def _seed(spec: Misalignment, *what: str | int) -> int:
    return seed_of(spec.seed, "misalignment", *what)
