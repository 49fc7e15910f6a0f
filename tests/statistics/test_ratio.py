"""Fieller's interval for the ratio of two means."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from undertone.statistics.ratio import ratio

values = st.floats(-5, 5).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(values, values), min_size=3, max_size=9)
far = st.lists(st.tuples(values, values.map(lambda y: 20 + y)), min_size=3, max_size=9)
"""Wholes that are mostly told apart from zero."""


def split(found: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.array(found).T
    assume(np.std(x) > 0.01 and np.std(y) > 0.01 and abs(y.mean()) > 1e-3)
    return x, y


@given(far, st.floats(-0.3, 0.3))
@settings(max_examples=300, deadline=None)
def test_the_interval_holds_exactly_the_shares_that_students_t_does_not_reject(
    found: list[tuple[float, float]], share: float
) -> None:
    x, y = split(found)
    left = ratio(x, y)
    assume(left.ci is not None and np.std(x - share * y) > 1e-6)
    assert left.ci is not None
    assume(min(abs(share - end) for end in left.ci) > 1e-6)
    inside = left.ci[0] < share < left.ci[1]
    assert inside == (ttest_1samp(x - share * y, 0).pvalue > 0.05)
    assert left.ci[0] <= left.value <= left.ci[1]


@given(pairs)
@settings(max_examples=200, deadline=None)
def test_it_is_unbounded_exactly_where_the_whole_is_not_told_apart_from_zero(found: list[tuple[float, float]]) -> None:
    x, y = split(found)
    p = ttest_1samp(y, 0).pvalue
    assume(abs(p - 0.05) > 1e-6)
    assert (ratio(x, y).ci is None) == (p > 0.05)


@given(pairs, st.floats(0.1, 10))
def test_it_is_a_share_whatever_the_unit(found: list[tuple[float, float]], unit: float) -> None:
    x, y = split(found)
    a, b = ratio(x, y), ratio(unit * x, unit * y)
    assert b.value == pytest.approx(a.value)
    assert (a.ci is None) == (b.ci is None) or abs(ttest_1samp(y, 0).pvalue - 0.05) < 1e-6
    if a.ci and b.ci:
        assert b.ci == pytest.approx(a.ci, rel=1e-4, abs=1e-4)


def test_the_whole_is_all_of_itself_and_nothing_is_none_of_it() -> None:
    whole = [0.4, 0.7, 0.5, 0.6]
    assert ratio(whole, whole).ci == pytest.approx((1, 1))
    assert ratio([0.0] * 4, whole).ci == pytest.approx((0, 0))


def test_a_known_answer() -> None:
    # By hand: means 1 and 4, variances of the means 1/3 and 1/3, covariance 0; t of 2 degrees of freedom 4.3027.
    found = ratio([0.0, 2.0, 1.0], [5.0, 5.0, 2.0])
    assert found.value == pytest.approx(1 / 4)
    assert found.ci is None  # the whole: 4 +- 4.30
    found = ratio([0.0, 2.0, 1.0], [50.0, 50.0, 47.0])
    reach = 4.302652730**2
    a, b, c = 49**2 - reach, 49 * 1 - 0.0, 1 - reach / 3
    half = np.sqrt(b**2 - a * c)
    assert found.ci == pytest.approx(((b - half) / a, (b + half) / a))


@pytest.mark.parametrize("left", [0.0, 0.1, 0.6, 1.0])
def test_it_covers_the_true_share_of_correlated_normal_pairs(left: float) -> None:
    rng, hits, bounded = np.random.default_rng(3), 0, 0
    for _ in range(3000):
        whole = 0.5 + 0.25 * rng.standard_normal(5)
        part = left * whole + 0.1 * rng.standard_normal(5)
        found = ratio(part, whole).ci
        bounded += found is not None
        hits += found is None or found[0] <= left <= found[1]
    assert 0.94 < hits / 3000 < 0.96  # of all, and an unbounded one holds everything
    assert bounded > 2700


@pytest.mark.parametrize("pair", [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, float("nan")], [1.0, 2.0])])
def test_what_has_no_interval_is_refused(pair: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError):
        ratio(*pair)
