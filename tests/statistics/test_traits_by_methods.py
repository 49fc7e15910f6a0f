"""Whether two methods agree on a trait, over models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from undertone.statistics import traits_by_methods
from undertone.statistics.arrays import Floats
from undertone.statistics.traits_by_methods import agreement, correlations, ends

close = pytest.approx
values = arrays(np.float64, (12, 3), elements=st.floats(-5, 5, width=32))


def test_correlations_are_those_of_the_columns() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    found = correlations(one, two)
    assert found[0, 2] == close(np.corrcoef(one[:, 0], two[:, 2])[0, 1])
    assert found.shape == (3, 3)


def test_the_same_trait_is_apart_from_others() -> None:
    rng = np.random.default_rng(0)
    trait = rng.normal(size=(60, 3))
    found = agreement(trait, trait + 0.1 * rng.normal(size=trait.shape))
    assert found.same[0] > 0.98 and abs(found.other[0]) < 0.2
    assert (
        found.matrix.argmax(1).tolist() == [0, 1, 2] and np.diagonal(found.matrix).tolist() == found.traits[0].tolist()
    )
    low, high = ends(found.same[1:]) or (0, 0)
    assert 0.97 < low <= found.same[0] <= high <= 1


def test_what_all_traits_share_by_one_method_is_seen() -> None:
    rng = np.random.default_rng(0)
    mood = rng.normal(size=(60, 1)) + 0.1 * rng.normal(size=(60, 3))
    assert agreement(mood, mood).other[0] > 0.95


@given(values)
def test_a_sign_turns_the_correlation(one: Floats) -> None:
    found = correlations(one, -one)
    defined = np.isfinite(found)
    assert np.allclose(found[defined], -correlations(one, one)[defined])
    assert (np.abs(found[defined]) <= 1 + 1e-9).all()


def test_what_does_not_vary_has_no_correlation() -> None:
    one = np.random.default_rng(0).normal(size=(20, 2))
    flat = one * [1.0, 0.0]
    found = agreement(flat, one)
    assert np.isnan(found.traits[0, 1]) and found.same[0] == close(1.0), "the mean is over what is defined"
    assert ends(found.traits[1:, 1]) is None


@given(st.integers(0, 50))
def test_rows_in_which_one_is_missing_do_not_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(15, 2)), rng.normal(size=(15, 2))
    one[:4, 0], two[3:7, 1] = np.nan, np.nan
    found = correlations(one, two)
    assert found[0, 1] == close(np.corrcoef(one[7:, 0], two[7:, 1])[0, 1])
    assert found[1, 0] == close(np.corrcoef(one[:, 1], two[:, 0])[0, 1])


def test_units_are_resampled_whole() -> None:
    rng = np.random.default_rng(0)
    trait = np.repeat(rng.normal(size=(6, 1)), 10, axis=0)
    other = trait + 0.8 * np.repeat(rng.normal(size=(6, 1)), 10, axis=0)
    whole, single = (agreement(trait, other, units) for units in ([row // 10 for row in range(60)], ()))
    assert whole.same[0] == single.same[0]
    width = [np.subtract(*(ends(one.same[1:]) or (0, 0))) for one in (whole, single)]
    assert width[0] < 2 * width[1] < 0, "sixty copies of six values are six"


def test_intervals_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traits_by_methods, "DRAWS", 200)
    rng, hits = np.random.default_rng(1), 0
    for seed in range(120):
        trait = rng.normal(size=(40, 1))
        other = 0.6 * trait + 0.8 * rng.normal(size=trait.shape)
        low, high = ends(agreement(trait, other, seed=seed).same[1:]) or (1, -1)
        hits += low <= 0.6 <= high
    assert hits >= 106, "nominally 114; resampling falls short a little"


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="same shape"):
        agreement(np.zeros((3, 2)), np.zeros((3, 1)))
