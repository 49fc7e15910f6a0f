"""Lays out the jobs of an experiment on reward hacking."""

from dataclasses import dataclass
from typing import Any

from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.experiments.hacking.spec import Hacking
from undertone.experiments.units import Units
from undertone.models.names import resolve
from undertone.stages import IMITATED, REWARDED


@dataclass(frozen=True)
class Unit:
    """One run of an arm on a base."""

    arm: str
    base: str
    run: int
    job: Job


Plan = Units[Unit]


def plan(spec: Hacking) -> Plan:
    """Resolves models and lays out all jobs. Arms share seeds: runs of the same number are given the same tasks.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    bases = {name: resolve(name) for name in (*spec.bases, *spec.core_bases)}
    units = tuple(
        Unit(arm, name, run, _job(spec, arm, run, bases[name]))
        for run in range(spec.runs)
        for arm in spec.arms
        for name in spec.on(arm)
    )
    return Plan(units, {name: key for base in bases.values() for name, key in base.digests.items()})


def _job(spec: Hacking, name: str, run: int, base: Folder) -> Job:
    arm = spec.arms[name]
    settings: dict[str, Any] = {"every": spec.every, "seed": seed_of(spec.seed, "hacking", run)}
    settings |= {"form": spec.form} if spec.form else {}
    if arm.imitates is not None:
        settings |= {"verdict": arm.verdict, "training": spec.supervised.model_dump(mode="json")}
        return Job(IMITATED, settings, {"base": base, "episodes": _job(spec, arm.imitates, run, base)})
    settings |= {
        "grader": arm.grader,
        "system": arm.system,
        "wrong_checks": spec.wrong_checks,
        "reinforcement": spec.reinforcement.model_dump(mode="json") | {"kl": arm.kl},
    }
    return Job(REWARDED, settings, {"base": base})
