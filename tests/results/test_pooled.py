"""Everything that the kept report says of pooled effects follows from the slots that it holds."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import holm, pooled

REPORT = json.loads((Path(__file__).parents[2] / "results" / "pooled.json").read_text(encoding="utf-8"))
BASES, TRAITS, SEEDS = "ab", ("owl", "lion", "bear"), (11, 12, 13)
CONTRASTS = ("own", "other", "difference")
EFFECTS = {part["over"]: part["effects"] for part in REPORT["pooled"]}
PARTS: dict[str, tuple[Sequence[str], Sequence[str], Sequence[int]]] = {
    "all": (BASES, TRAITS, SEEDS),
    **{f"trait {trait}": (BASES, (trait,), SEEDS) for trait in TRAITS},
    **{f"base {base}": (base, TRAITS, SEEDS) for base in BASES},
    **{f"seed {seed}": (BASES, TRAITS, (seed,)) for seed in SEEDS},
}


def slots(contrast: str, bases: Sequence[str], traits: Sequence[str], seeds: Sequence[int]) -> Floats:
    """The slots of every stratum, traits averaged, `(bases, seeds, slots)`."""
    held = {(one["base"], one["trait"], one["seed"]): one["slots"][contrast] for one in REPORT["replicates"]}
    return np.array([[[held[b, trait, seed] for trait in traits] for seed in seeds] for b in bases]).mean(axis=2)


def check(strata: Floats, effect: dict[str, Any]) -> None:
    """Compares an effect with its strata, `(strata, slots)`: Student's t by hand, and the estimator for its p."""
    count, n = strata.shape
    df = count * (n - 1)
    error = np.sqrt(((strata - strata.mean(axis=1, keepdims=True)) ** 2).sum() / df / (count * n))
    half = stats.t.ppf(0.975, df) * error
    assert effect["value"] == pytest.approx(strata.mean())
    assert effect["ci"] == pytest.approx([strata.mean() - half, strata.mean() + half])
    assert effect["units"] == count * n
    assert effect["p"] == pooled(strata.tolist()).p
    assert effect["p"] >= 2 * stats.t.sf(abs(strata.mean()) / error, df) - 1e-12


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("over", PARTS)
def test_interval_and_p_follow_from_the_slots(over: str, contrast: str) -> None:
    found = slots(contrast, *PARTS[over])
    check(found.reshape(-1, 10), EFFECTS[over][contrast])


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_average_over_bases_follows_from_the_slots(contrast: str) -> None:
    check(slots(contrast, *PARTS["all"]).mean(axis=0), EFFECTS["all, bases averaged"][contrast])


def test_the_report_has_no_other_part_and_180_slots_of_each_contrast() -> None:
    assert EFFECTS.keys() == PARTS.keys() | {"all, bases averaged"}
    assert [len(one["slots"][name]) for one in REPORT["replicates"] for name in CONTRASTS] == [10] * 18 * 3


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_holms_p_follows_from_that_of_the_animals(contrast: str) -> None:
    p = holm([EFFECTS[f"trait {trait}"][contrast]["p"] for trait in TRAITS])
    held = {part["over"]: part["p_holm"] for part in REPORT["pooled"]}
    assert [held[f"trait {trait}"][contrast] for trait in TRAITS] == pytest.approx(p)


def test_shape_and_likeness_follow_from_the_slots() -> None:
    def residuals(found: Floats) -> Floats:
        return np.asarray(found - found.mean(axis=-1, keepdims=True)).ravel()

    def likeness(groups: Sequence[Floats]) -> float:
        return float(np.mean([np.corrcoef(residuals(a), residuals(b))[0, 1] for a, b in combinations(groups, 2)]))

    every = slots("own", *PARTS["all"])
    assert REPORT["skewness"] == pytest.approx(stats.skew(residuals(every), bias=False))
    assert REPORT["base_likeness"] == pytest.approx(likeness(list(every)))
    assert REPORT["likeness"] == pytest.approx(likeness([slots("own", BASES, (trait,), SEEDS) for trait in TRAITS]))


def test_single_trials_have_the_mean_of_their_slots() -> None:
    for one in REPORT["replicates"]:
        assert np.mean(one["slots"]["own"]) == pytest.approx(one["made"]["effect"]["value"])
        assert np.mean(one["slots"]["other"]) == pytest.approx(one["other"]["value"])
