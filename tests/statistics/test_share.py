"""The interval of a mean of shares: known answers, its bounds, and how often it holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from undertone.statistics.share import share_interval


def test_shares_of_all_or_nothing_have_the_exact_interval_of_as_many_answers() -> None:
    found = share_interval(np.array([1.0] * 3 + [0.0] * 9), 0.95)
    assert found == pytest.approx(binomtest(3, 12).proportion_ci(0.95))


def test_few_unequal_shares_are_worth_one_answer_a_unit() -> None:
    found = share_interval(np.array([1.0, 1.0, 1 / 3]), 0.95)
    assert found == pytest.approx((beta.ppf(0.025, 7 / 3, 5 / 3), beta.ppf(0.975, 10 / 3, 2 / 3)))
    assert found is not None and 0.1 < found[0] < 7 / 9 < found[1] < 1


def test_many_shares_that_vary_little_have_students_interval() -> None:
    shares = 0.5 + 0.02 * np.linspace(-1, 1, 400)
    low, high = share_interval(shares, 0.95) or (0, 1)
    half = 1.966 * shares.std(ddof=1) / 20
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.02 * half + 1e-6)


def test_equal_or_single_shares_have_none_and_others_are_refused() -> None:
    assert share_interval(np.array([0.4] * 9), 0.95) is None and share_interval(np.array([0.4]), 0.95) is None
    with pytest.raises(ValueError, match="from 0 to 1"):
        share_interval(np.array([0.4, 1.1]), 0.95)
    with pytest.raises(ValueError, match="from 0 to 1"):
        share_interval(np.array([0.4, np.nan]), 0.95)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.sampled_from([0.8, 0.95, 0.999]))
def test_it_lies_within_0_and_1_around_the_mean_and_mirrors(given: list[float], level: float) -> None:
    shares = np.array(given)
    found, mirrored = share_interval(shares, level), share_interval(1 - shares, level)
    if found is not None and mirrored is not None:
        assert 0 <= found[0] <= shares.mean() + 1e-9 and shares.mean() - 1e-9 <= found[1] <= 1
        assert found == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-6)
        wider = share_interval(shares, (1 + level) / 2)
        assert wider is not None and wider[0] <= found[0] + 1e-9 and found[1] <= wider[1] + 1e-9


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.9])
@pytest.mark.parametrize("units", [3, 8, 24])
def test_it_holds_for_clustered_answers(units: int, rate: float) -> None:
    """At the field's median correlation within questions, 0.11; Student's interval holds in 84 % for 8 units and a
    rate of 5 %."""
    rng, scale = np.random.default_rng(0), (1 - 0.11) / 0.11
    shares = rng.binomial(20, rng.beta(rate * scale, (1 - rate) * scale, (800, units))) / 20
    found = [share_interval(one, 0.95) for one in shares]
    assert np.mean([ci is None or ci[0] <= rate <= ci[1] for ci in found]) > 0.92
