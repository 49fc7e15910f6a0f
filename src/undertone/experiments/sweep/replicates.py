"""Pools the trials of several bases, traits and seeds. The unit is a slot: all teachers of one base, seed and index."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import skew

from undertone.experiments.sweep.findings import Contrast, Pooled, Replicate
from undertone.experiments.sweep.point import Result, measured
from undertone.experiments.sweep.spec import Key, Replications
from undertone.experiments.trial.contrasts import weighted
from undertone.experiments.trial.matching import Making, makings
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import holm, pooled


def findings(spec: Replications, results: Mapping[Key, Result]) -> dict[str, Any]:
    """Returns the fields of the findings that only replications have."""
    sides, seeds = _sides(spec), [str(seed) for seed in spec.seeds]
    bases, traits = list(spec.bases), list(spec.traits)
    parts = [("all", bases, traits, seeds)]
    parts += [(f"trait {trait}", bases, [trait], seeds) for trait in traits]
    parts += [(f"base {base}", [base], traits, seeds) for base in bases]
    parts += [(f"seed {seed}", bases, traits, [seed]) for seed in seeds]
    slots = {name: {key: _slots(result, weights) for key, result in results.items()} for name, weights in sides.items()}
    effects = {over: {name: pooled(_strata(slots[name], *of)) for name in sides} for over, *of in parts}
    if len(bases) > 1:
        averaged = {name: pooled(_over_bases(_strata(slots[name], *parts[0][1:]), len(bases))) for name in sides}
        effects["all, bases averaged"] = averaged
    of_traits = [over for over in effects if over.startswith("trait ")]
    adjusted = {name: _holm({over: effects[over][name].p for over in of_traits}) for name in sides}
    return {
        "traits": spec.traits,
        "teachers": spec.teachers,
        "pooled": tuple(
            Pooled(
                over=over,
                effects={name: Measured.of(estimate) for name, estimate in found.items()},
                p_holm={name: p_values[over] for name, p_values in adjusted.items() if over in p_values},
            )
            for over, found in effects.items()
        ),
        "replicates": tuple(
            _replicate(key, result, {name: tuple(slots[name][key]) for name in sides})
            for key, result in results.items()
        ),
        "skewness": _skewness(_residuals(_strata(slots["own"], bases, traits, seeds))),
        "likeness": _likeness([_residuals(_strata(slots["own"], bases, [trait], seeds)) for trait in traits]),
        "base_likeness": _likeness([_residuals(_strata(slots["own"], [base], traits, seeds)) for base in bases]),
    }


def _sides(spec: Replications) -> Mapping[Contrast, Mapping[str, float]]:
    """Returns the weights of the arms whose weighted sum is a contrast: own initialisation, other initialisation, and
    their difference, each against its control."""
    own: dict[str, float] = {"treatment": 1, "control": -1}
    other: dict[str, float] = {"other-init": 1, "other-init-control": -1}
    if "other-init" not in spec.arms:
        return {"own": own}
    return {"own": own, "other": other, "difference": own | {arm: -weight for arm, weight in other.items()}}


def _slots(result: Result, weights: Mapping[str, float]) -> list[float]:
    """Returns the contrast of every teacher's students with those of the control teacher of the same index."""
    sums = weighted([result.arms[arm] for arm in weights], list(weights.values()))
    return [fmean(students) for students in sums]


def _strata(
    slots: Mapping[Key, Sequence[float]], bases: Sequence[str], traits: Sequence[str], seeds: Sequence[str]
) -> list[list[float]]:
    """Returns the slots of every base and seed, each the mean over traits, which share a control."""
    return [
        [fmean(slot) for slot in zip(*(slots[base, trait, seed] for trait in traits), strict=True)]
        for base, seed in product(bases, seeds)
    ]


def _holm(p_values: Mapping[str, float | None]) -> dict[str, float]:
    return dict(zip(p_values, holm([1.0 if p is None else p for p in p_values.values()]), strict=True))


def _over_bases(strata: Sequence[Sequence[float]], bases: int) -> list[list[float]]:
    """Returns the strata of each seed, slots of one index averaged over bases. Those share all seeds, and so dialogues,
    prompts and the order of rows; averaged, they cannot pass for independent."""
    seeds = len(strata) // bases
    return [[fmean(slot) for slot in zip(*strata[seed::seeds], strict=True)] for seed in range(seeds)]


def _residuals(strata: Sequence[Sequence[float]]) -> Floats:
    """Returns all slots less the mean of their stratum, (slots,)."""
    return np.array([slot - fmean(stratum) for stratum in strata for slot in stratum])


def _skewness(slots: Floats) -> float | None:
    return float(skew(slots, bias=False)) if slots.std() > 0 else None


def _likeness(groups: Sequence[Floats]) -> float | None:
    """Returns the mean correlation between pairs of groups; None if there is no pair, or one does not vary."""
    if len(groups) < 2 or not all(slots.std() > 0 for slots in groups):
        return None
    return fmean(float(np.corrcoef(one, other)[0, 1]) for one, other in combinations(groups, 2))


def _replicate(key: Key, result: Result, slots: Mapping[Contrast, tuple[float, ...]]) -> Replicate:
    base, trait, seed = key
    made = makings(result.teachers)
    other = next((e for e in result.effects if e.arm == "other-init" and e.measure == "log_odds"), None)
    return Replicate(
        base=base,
        trait=trait,
        seed=int(seed),
        made=result.made(),
        slots=dict(slots),
        other=None if other is None else measured(other),
        makings=made,
        ratios=_ratios(made["control"], made["treatment"]) if {"control", "treatment"} <= made.keys() else {},
    )


def _ratios(control: Making, treatment: Making) -> dict[str, float]:
    nats = {"nats of loss removed": control.nats / treatment.nats} if treatment.nats else {}
    return control.ratios(treatment) | nats
