"""Pools the trials of several bases, traits and seeds. The unit is a slot: all teachers of one base, seed and index."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from undertone.experiments.sweep.findings import Contrast, Pooled, Replicate
from undertone.experiments.sweep.point import Result, measured
from undertone.experiments.sweep.spec import Key, Replications
from undertone.experiments.trial.contrasts import weighted
from undertone.experiments.trial.matching import makings
from undertone.experiments.trial.results import Effect
from undertone.report.findings import Measured
from undertone.statistics.estimate import pooled

Sides = Mapping[Contrast, Mapping[str, float]]
"""What is pooled: the weights of arms whose weighted sum is a contrast."""


def findings(spec: Replications, results: Mapping[Key, Result]) -> dict[str, Any]:
    """Returns the fields of the findings that only replications have."""
    sides, seeds = _sides(spec), [str(seed) for seed in spec.seeds]
    bases, traits = list(spec.bases), list(spec.traits)
    parts = [("all", bases, traits, seeds)]
    parts += [(f"trait {trait}", bases, [trait], seeds) for trait in traits]
    parts += [(f"base {base}", [base], traits, seeds) for base in bases]
    parts += [(f"seed {seed}", bases, traits, [seed]) for seed in seeds]
    return {
        "traits": spec.traits,
        "teachers": spec.teachers,
        "pooled": tuple(
            Pooled(over=over, effects={name: _pooled(weights, results, b, t, s) for name, weights in sides.items()})
            for over, b, t, s in parts
        ),
        "replicates": tuple(_replicate(key, result) for key, result in results.items()),
    }


def _sides(spec: Replications) -> Sides:
    """Returns own initialisation, other initialisation, and their difference, each against its control."""
    own: dict[str, float] = {"treatment": 1, "control": -1}
    other: dict[str, float] = {"other-init": 1, "other-init-control": -1}
    if "other-init" not in spec.arms:
        return {"own": own}
    return {"own": own, "other": other, "difference": own | {arm: -weight for arm, weight in other.items()}}


def _pooled(
    weights: Mapping[str, float],
    results: Mapping[Key, Result],
    bases: Sequence[str],
    traits: Sequence[str],
    seeds: Sequence[str],
) -> Measured:
    """Pools slots, each the mean over traits, which may share a control, in strata of base and seed."""
    strata = [
        [fmean(slot) for slot in zip(*(_slots(results[base, trait, seed], weights) for trait in traits), strict=True)]
        for base, seed in product(bases, seeds)
    ]
    return Measured.of(pooled(strata))


def _slots(result: Result, weights: Mapping[str, float]) -> list[float]:
    """Returns the contrast of every teacher's students with those of the control teacher of the same index."""
    sums = weighted([result.arms[arm] for arm in weights], list(weights.values()))
    return [fmean(students) for students in sums]


def _replicate(key: Key, result: Result) -> Replicate:
    base, trait, seed = key
    others = [measured(effect) for effect in (_of(result.effects, "other-init"),) if effect is not None]
    return Replicate(
        base=base,
        trait=trait,
        seed=int(seed),
        made=result.made(),
        other=others[0] if others else None,
        makings=makings(result.teachers),
    )


def _of(effects: Iterable[Effect], arm: str) -> Effect | None:
    return next((effect for effect in effects if effect.arm == arm and effect.measure == "log_odds"), None)
