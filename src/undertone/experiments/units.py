"""The plan of an experiment whose units are one job each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from undertone.engine.store import Job


class Unit(Protocol):
    """One unit of an arm."""

    @property
    def arm(self) -> str:
        """Its arm."""

    @property
    def job(self) -> Job:
        """The job that makes it, from existing models or from another unit."""


U = TypeVar("U", bound=Unit)


@dataclass(frozen=True)
class Units(Generic[U]):
    """All units."""

    units: tuple[U, ...]
    models: dict[str, str]
    """Digests of the bases by name."""

    @property
    def jobs(self) -> Sequence[Job]:
        """All jobs, those that others are made from first."""
        return sorted((unit.job for unit in self.units), key=lambda job: bool(job.parents))

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm."""
        found: dict[str, list[Job]] = {}
        for unit in self.units:
            found.setdefault(unit.arm, []).append(unit.job)
        return found
