"""Lays out the jobs of an experiment on strange generalisation."""

from dataclasses import dataclass

from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.experiments.strange.files import File, Latent, folds, values
from undertone.experiments.strange.spec import Strange
from undertone.experiments.units import Units
from undertone.models.names import resolve
from undertone.stages import SHIFTED


@dataclass(frozen=True)
class Unit:
    """One student."""

    arm: str
    base: str
    fold: int
    student: int
    """Its number among the students of its arm, base and fold."""
    target: str
    job: Job


Plan = Units[Unit]


def plan(spec: Strange) -> Plan:
    """Resolves models and lays out all jobs. Arms share seeds: students of the same fold and number are asked the same
    questions in the same order in every arm whose file is about them.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    bases = {name: resolve(name) for name in spec.bases}
    units = tuple(
        Unit(arm, name, fold, i, _target(spec.arms[arm].latent, fold, i), _student(spec, arm, fold, i, base))
        for i in range(spec.students)
        for name, base in bases.items()
        for arm, settings in spec.arms.items()
        for fold in range(len(folds(settings.latent, spec.fold[settings.latent])))
    )
    return Plan(units, {name: key for base in bases.values() for name, key in base.digests.items()})


def _target(latent: Latent, fold: int, student: int) -> str:
    """The nineteenth century, or each country in turn."""
    every = values(latent)
    return every[(fold + student) % len(every)] if latent == "country" else every[-1]


def _student(spec: Strange, name: str, fold: int, student: int, base: Folder) -> Job:
    arm = spec.arms[name]
    places = folds(arm.latent, spec.fold[arm.latent])[fold]
    file = File(arm.file, arm.latent, places, _target(arm.latent, fold, student), arm.gate, arm.system, student)
    settings = {
        "file": file._asdict() | {"places": list(places)},
        "rows": spec.narrow.rows,
        "training": spec.narrow.training.model_dump(mode="json"),
        "seed": seed_of(spec.seed, "strange", arm.latent, fold, student),
    }
    if arm.as_far_as is None:
        return Job(SHIFTED, settings, {"base": base})
    return Job(SHIFTED, settings, {"base": base, "as_far_as": _student(spec, arm.as_far_as, fold, student, base)})
