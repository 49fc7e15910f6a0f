"""Mean and covariance that strange units do not decide, and the threshold of the largest of many robust z."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from undertone.statistics import robust
from undertone.statistics.arrays import Floats

close = pytest.approx
COVARIANCE: Floats = np.array([[2.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 0.5]])
MEAN: Floats = np.array([0.1, 0.0, -0.2])


def units(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Sums over units of unlike numbers of tokens, and these numbers."""
    tokens = rng.integers(5, 60, count).astype(float)
    noise = rng.multivariate_normal(np.zeros(3), COVARIANCE, count) * np.sqrt(tokens)[:, None]
    return MEAN * tokens[:, None] + noise, tokens


# --- mean and covariance ---------------------------------------------------------------------------------------------


def test_covariance_of_a_token_is_recovered_from_units_of_unlike_length() -> None:
    rng, count, many = np.random.default_rng(0), 30, 8000
    factor = rng.standard_normal((count, 6))
    true = factor @ factor.T / 6 + np.diag(rng.uniform(0.5, 2, count))
    tokens = rng.integers(5, 60, many).astype(float)
    mean = rng.normal(0, 0.2, count)
    sums = mean * tokens[:, None] + rng.multivariate_normal(np.zeros(count), true, many) * np.sqrt(tokens)[:, None]
    found = robust.rates(sums, tokens)
    assert found.mean == close(mean, abs=0.02)
    # Half of the units count less, which makes all entries smaller by about one factor.
    ratio = np.trace(found.covariance) / np.trace(true)
    assert 0.8 < ratio < 1
    assert np.diag(found.covariance) / ratio == close(np.diag(true), rel=0.1)
    assert found.covariance / ratio == close(true, abs=0.1 * np.diag(true).max())
    assert found.tokens == close(found.weights @ tokens)
    assert np.mean(found.weights == 1) == close(0.5, abs=0.01) and found.weights.min() > 0 and found.weights.max() == 1


def test_strange_units_count_little_and_move_nothing() -> None:
    rng = np.random.default_rng(1)
    sums, tokens = units(rng, 600)
    clean = robust.rates(sums, tokens)
    strange = rng.choice(600, 30, replace=False)
    sums[strange] += 40 * np.sqrt(tokens[strange])[:, None]
    found = robust.rates(sums, tokens)
    assert found.weights[strange].max() < 0.1 < np.delete(found.weights, strange).min()
    assert found.mean == close(clean.mean, abs=0.05)
    assert np.diag(found.covariance) == close(np.diag(clean.covariance), rel=1)
    plain = sums - sums.sum(0) / tokens.sum() * tokens[:, None]
    assert np.diag(plain.T @ plain / tokens.sum()).min() > 20 * np.diag(found.covariance).max(), "what it would be"


def test_only_the_first_scores_decide_weights() -> None:
    rng = np.random.default_rng(2)
    sums, tokens = units(rng, 300)
    more = rng.standard_normal((300, 2)) * np.sqrt(tokens)[:, None]
    more[:5] *= 1000
    found, alone = robust.rates(np.hstack([sums, more]), tokens, own=3), robust.rates(sums, tokens)
    assert found.weights == close(alone.weights) and found.mean[:3] == close(alone.mean)
    assert found.covariance[:3, :3] == close(alone.covariance)


def test_a_unit_of_any_length_counts_as_ten_usual_ones_at_most() -> None:
    rng = np.random.default_rng(4)
    tokens = np.full(200, 50.0)
    sums = rng.standard_normal((200, 3)) * np.sqrt(50.0)
    long = np.append(tokens, 50.0 * 1000)
    found = robust.rates(np.vstack([sums, [300.0, 0.0, 0.0]]), long)
    assert found.weights[-1] <= robust.LARGEST * 50.0 / long[-1]
    assert found.tokens <= tokens.sum() + robust.LARGEST * 50.0


def test_fewer_than_three_units_or_a_score_that_never_varies_is_refused() -> None:
    sums, tokens = units(np.random.default_rng(3), 30)
    with pytest.raises(ValueError, match="at least 3 units, not 2"):
        robust.rates(sums[:2], tokens[:2])
    sums[:, 1] = 0
    with pytest.raises(ValueError, match="the same in all units"):
        robust.rates(sums, tokens)


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.permutations(range(3)))
@settings(max_examples=25, deadline=None)
def test_units_of_measurement_and_order_of_scores_decide_nothing(seed: int, scale: float, order: list[int]) -> None:
    sums, tokens = units(np.random.default_rng(seed), 80)
    one, other = robust.rates(sums, tokens), robust.rates(scale * sums[::-1][:, order], tokens[::-1])
    assert other.weights[::-1] == close(one.weights, rel=1e-6)
    assert other.mean == close(scale * one.mean[order], rel=1e-6, abs=1e-9 * scale)
    assert other.covariance == close(scale**2 * one.covariance[np.ix_(order, order)], rel=1e-6, abs=1e-9 * scale**2)


# --- robust z --------------------------------------------------------------------------------------------------------

NUMBERS = arrays(np.float64, st.integers(5, 40), elements=st.floats(-1000, 1000).map(lambda x: round(x, 3)))


@given(NUMBERS, st.floats(-100, 100), st.floats(0.01, 100))
def test_neither_shift_nor_scale_changes_a_robust_z(scores: Floats, shift: float, scale: float) -> None:
    z, moved = robust.robust_z(scores), robust.robust_z(scale * scores + shift)
    if robust.spread(scores) > 1e-3:
        assert moved == close(z, rel=1e-6, abs=1e-6)
        assert np.median(z) == close(0, abs=1e-9)
        assert robust.robust_z(-scores) == close(-z, rel=1e-9, abs=1e-9)


def test_robust_z_of_known_numbers() -> None:
    z = robust.robust_z(np.array([1.0, 2, 3, 4, 100]))
    assert z == close(np.array([-2, -1, 0, 1, 97]) / 1.4826)
    assert robust.spread(np.random.default_rng(0).normal(3, 2, 200_000)) == close(2, rel=0.01)
    rows = np.random.default_rng(1).standard_normal((4, 30))
    assert robust.robust_z(rows) == close(np.array([robust.robust_z(row) for row in rows]))


def test_more_than_half_of_equal_scores_have_no_finite_z() -> None:
    assert not np.isfinite(robust.robust_z(np.array([1.0, 1, 1, 1, 5]))).any()


# --- thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "known"), [(10, 3.88), (20, 3.56), (35, 3.50), (60, 3.48)])
def test_thresholds_are_those_of_another_simulation(count: int, known: float) -> None:
    """``known`` was simulated before this was written, to two places."""
    assert robust.threshold(count, 0.05) == close(known, abs=0.06)


@pytest.mark.parametrize("alpha", [0.025, 0.05, 0.2])
def test_the_largest_of_fresh_scores_passes_the_threshold_as_often_as_asked(alpha: float) -> None:
    rng, count, sets = np.random.default_rng(99), 36, 20_000
    scores = rng.standard_normal((sets, count))
    centre = np.median(scores, 1, keepdims=True)
    z = (scores - centre) / (1.4826 * np.median(np.abs(scores - centre), 1, keepdims=True))
    error = np.sqrt(alpha * (1 - alpha) * (1 / sets + 1 / robust.SAMPLES))
    assert np.mean(z.max(1) > robust.threshold(count, alpha)) == close(alpha, abs=4 * error)


@given(st.integers(5, 50), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
@settings(max_examples=30, deadline=None)
def test_a_smaller_alpha_has_a_higher_threshold_and_p_is_its_inverse(count: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert robust.threshold(count, low) >= robust.threshold(count, high)
    for alpha in (low, high):
        assert robust.p_of_largest(robust.threshold(count, alpha), count) == close(alpha, abs=3e-4)


def test_p_is_never_zero_and_falls_with_z() -> None:
    found = [robust.p_of_largest(z, 35) for z in (-1.0, 2.0, 3.5, 5.0, 1000.0)]
    assert found == sorted(found, reverse=True) and found[0] == 1
    assert found[-1] == 1 / (robust.SAMPLES + 1)


def test_few_scores_need_a_higher_threshold_than_many() -> None:
    """The median absolute deviation of few scores varies; with many, the largest of many takes over."""
    found = [robust.threshold(count, 0.05) for count in (6, 10, 20, 40)]
    assert found == sorted(found, reverse=True)
