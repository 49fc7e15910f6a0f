"""The jobs of a benchmark of the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from undertone.audit import proxies
from undertone.audit.families import Family, families_of
from undertone.bench.audit import elsewhere
from undertone.bench.audit.files import UNLISTED, File, Ground, by_kind, files_of, without
from undertone.bench.audit.spec import OTHER, AuditBenchmark
from undertone.engine.store import Job
from undertone.models.names import resolve


@dataclass(frozen=True)
class Plan:
    """Directions of the base, and all files."""

    families: tuple[Family, ...]
    directions: Sequence[Job]
    files: Sequence[File]
    models: dict[str, str]
    """Digests of the bases by name."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        return [*self.directions, *(job for file in self.files for job in file.jobs)]

    @cached_property
    def arms(self) -> dict[str, list[Job]]:
        """The directions, then the files of each kind."""
        kinds = by_kind(self.files).items()
        return {"directions": list(self.directions)} | {kind: [j for f in some for j in f.jobs] for kind, some in kinds}


def plan(spec: AuditBenchmark) -> Plan:
    """Lays out directions and files. There are twins for every list of traits by which a file is judged."""
    base = resolve(spec.model)
    families = families_of(base.path, spec.listed)
    known = spec.model in OTHER
    shorter = [without(family, kind) for family in families for kind in UNLISTED if known]
    made = proxies.plan(base, [*families, *shorter])
    traits = {trait.name: trait for family in families for trait in family.traits[: family.listed]}
    other = resolve(OTHER[spec.model]) if known else None
    ground = Ground(base, other, spec.carrier, spec.rows, made.directions, traits, spec.listed, spec.baselines)
    numbers = range(spec.first, spec.first + spec.files)
    files = (files_of if known else elsewhere.files_of)(ground, numbers)
    return Plan(families, made.jobs, files, {folder.name: folder.key for folder in (base, other) if folder})
