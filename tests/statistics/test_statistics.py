"""Estimates agree with known answers, keep their invariants, and cover what they claim to cover."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import (
    count_students,
    difference,
    holm,
    mean_estimate,
    mean_of_contrasts,
    paired_difference,
    pooled,
    teacher_means,
)
from undertone.statistics.interval import half_width, largest, t_interval, welch_interval, welch_p
from undertone.statistics.permutation import DRAWS, Assignments, label_assignments, label_p, sign_assignments, sign_p
from undertone.statistics.probabilities import log_odds, total_variation

Values = list[list[float]]

TREATMENT: Values = [[0.31, 0.35], [0.52, 0.50], [0.41, 0.47, 0.44], [0.28]]
CONTROL: Values = [[0.11, 0.09], [0.14, 0.10], [0.22, 0.18]]

# Three decimals: teachers differ by rounding noise or by far more, never by something in between.
value = st.integers(-5000, 5000).map(lambda k: k / 1000)
arm = st.lists(st.lists(value, min_size=1, max_size=3), min_size=2, max_size=5)
close = pytest.approx
steady = settings(deadline=None, derandomize=True)


def means(values: Values) -> Floats:
    return np.array([np.mean(students) for students in values])


def shifted(values: Values, by: float) -> Values:
    return [[x + by for x in students] for students in values]


def varies(*arms: Values) -> bool:
    return any(means(values).std() > 1e-6 for values in arms)


# --- log-odds


def test_log_odds_known_values() -> None:
    assert log_odds(0.5) == 0
    assert log_odds(0.75) == close(math.log(3))
    assert log_odds(0.1) == close(-math.log(9))
    assert isinstance(log_odds(np.float64(0.2)), float)


def test_log_odds_are_clipped_at_zero_and_one() -> None:
    end = math.log((1 - 1e-6) / 1e-6)
    assert [log_odds(p) for p in (0.0, 1e-9, 1.0)] == close([-end, -end, end])


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan, math.inf])
def test_log_odds_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(ValueError, match="not a probability"):
        log_odds(wrong)


# --- known answers


def test_mean_estimate_by_hand() -> None:
    # teacher means 2, 4, 6: sd 2, t(.975, 2) = 4.302653
    found = mean_estimate([[1.0, 3.0], [4.0], [5.0, 7.0]])
    assert found.value == close(4)
    assert found.ci_high - 4 == close(4.302653 * 2 / math.sqrt(3), rel=1e-6)
    assert found.ci_low + found.ci_high == close(8)
    assert (found.p, found.units) == (None, (3,))
    assert "3 teacher means (5 students)" in found.method


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_difference_is_scipys_welch_interval_on_teacher_means(level: float) -> None:
    found = difference(TREATMENT, CONTROL, level=level)
    welch = stats.ttest_ind(means(TREATMENT), means(CONTROL), equal_var=False)
    assert (found.ci_low, found.ci_high) == close(tuple(welch.confidence_interval(level)))
    assert found.value == close(means(TREATMENT).mean() - means(CONTROL).mean())
    assert found.units == (4, 3)
    assert f"df {welch.df:.1f}" in found.method
    assert "8 + 6 students" in found.method


def permutation_p(a: Floats, b: Floats) -> float:
    def welch_t(x: Floats, y: Floats, axis: int) -> Any:
        return np.abs(stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic)

    expected = stats.permutation_test((a, b), welch_t, vectorized=True, n_resamples=np.inf, alternative="greater")
    return float(expected.pvalue)


@pytest.mark.parametrize("sizes", [(3, 3), (4, 3), (2, 5), (5, 5)])
def test_difference_p_is_the_larger_of_scipys_exact_permutation_of_welch_t_and_of_welch_t(
    sizes: tuple[int, int],
) -> None:
    rng = np.random.default_rng(sizes)
    larger = set()
    for _ in range(10):
        a, b = rng.normal(2, 3, sizes[0]), rng.normal(0, 1, sizes[1])
        both = permutation_p(a, b), float(stats.ttest_ind(a, b, equal_var=False).pvalue)
        assert difference(a[:, None], b[:, None]).p == close(max(both))
        assert label_p(a[None], b[None], label_assignments(*sizes)) == close([both[0]])
        larger.add(both[0] > both[1])
    assert larger == {True, False}  # both were put to the test


def test_in_equal_arms_studentising_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(1, 3, 4), rng.normal(0, 1, 4)
    pooled = np.concatenate([a, b])
    first_arms = itertools.combinations(pooled, 4)
    gaps = np.abs([2 * sum(chosen) - pooled.sum() for chosen in first_arms])
    expected = np.mean(gaps >= abs(a.sum() - b.sum()) - 1e-9)
    assert label_p(a[None], b[None], label_assignments(4, 4)) == close([expected])


def test_paired_difference_by_hand() -> None:
    found = paired_difference([[3.0], [5.0, 7.0], [4.0]], [[1.0], [3.0], [1.0, 3.0]])  # differences 2, 3, 2
    expected = stats.ttest_1samp([2, 3, 2], 0).confidence_interval()
    assert found.value == close(7 / 3)
    assert (found.ci_low, found.ci_high) == close(tuple(expected))
    assert found.p == close(2 / 8)
    assert found.units == (3,)


def test_paired_p_is_scipys_sign_flip_test() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, 7)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert paired_difference(differences[:, None], np.zeros((7, 1))).p == close(expected.pvalue)


def test_mean_of_contrasts_by_hand() -> None:
    found = mean_of_contrasts([2.0, 3.0, 2.0, -1.0])
    expected = stats.ttest_1samp([2, 3, 2, -1], 0).confidence_interval()
    assert found.value == close(1.5)
    assert (found.ci_low, found.ci_high) == close(tuple(expected))
    # of 16 flips the sum is at least 6 with the signs observed, with -1 flipped too, and with these all turned round
    assert found.p == close(4 / 16)
    assert found.units == (4,)
    assert found.method == "t interval on 4 traits' contrasts; p: sign flips, exact, all 16 assignments"


def test_pooled_by_hand() -> None:
    # means 2 and 5; squares within 2 + 2 + 8 = 12 over 5 - 2 = 3 degrees of freedom: variance 4
    found = pooled([[1.0, 3.0], [3.0, 5.0, 7.0]])
    assert found.value == close(3.5)
    error = math.sqrt((8 + 2) / 3 * (1 / 2 + 1 / 3)) / 2
    assert found.ci_high - 3.5 == close(stats.t.ppf(0.975, 3) * error)
    assert found.ci_low + found.ci_high == close(7)
    by_t, by_flips = 2 * stats.t.sf(3.5 / error, 3), 2 / 2**5
    assert found.p == close(max(by_t, by_flips))
    assert found.units == (5,)
    assert "5 slots in 2 strata, variance within strata pooled (df 3)" in found.method


def test_pooled_is_the_intercept_of_a_regression_on_strata() -> None:
    # deviation coding: the intercept of least squares is the mean of the strata's means, with the same error
    rng = np.random.default_rng(3)
    strata = [rng.normal(centre, 1, size) for centre, size in ((0, 4), (1, 3), (-1, 6))]
    y = np.concatenate(strata)
    codes = np.repeat(np.array([[1, 1, 0], [1, 0, 1], [1, -1, -1]]), [4, 3, 6], axis=0).astype(np.float64)
    coefficients, rest, _, _ = np.linalg.lstsq(codes, y)
    error = math.sqrt(rest[0] / 10 * np.linalg.inv(codes.T @ codes)[0, 0])
    found = pooled([list(values) for values in strata])
    assert found.value == close(coefficients[0])
    assert found.ci_high - found.value == close(stats.t.ppf(0.975, 10) * error)


def test_pooled_p_is_the_larger_of_t_and_of_all_sign_flips_of_the_strata_means() -> None:
    rng = np.random.default_rng(4)
    larger = set()
    for centre in (0.2, 1.0, 1.0, 1.0, 2.0):
        strata = [rng.normal(centre, 1, size) for size in (2, 3, 4)]
        weights = np.repeat([1 / 6, 1 / 9, 1 / 12], [2, 3, 4])
        all_flips = np.array(list(itertools.product([1, -1], repeat=9))) @ (weights * np.concatenate(strata))
        found = pooled([list(values) for values in strata])
        flips = float(np.mean(np.abs(all_flips) >= abs(found.value) - 1e-12))
        half = (found.ci_high - found.value) / stats.t.ppf(0.975, 6)
        by_t = float(2 * stats.t.sf(abs(found.value) / half, 6))
        assert found.p == close(max(flips, by_t))
        larger.add(flips > by_t)
    assert larger == {True, False}  # both were put to the test


@pytest.mark.parametrize("size", [2, 5, 8])
def test_pooled_of_one_stratum_is_the_one_sample_t(size: int) -> None:
    values = list(np.random.default_rng(size).normal(1, 1, size))
    found = pooled([values])
    expected = stats.ttest_1samp(values, 0)
    assert (found.ci_low, found.ci_high) == close(tuple(expected.confidence_interval()))
    assert found.p == close(max(expected.pvalue, mean_of_contrasts(values).p or 0))


def test_intervals_of_many_repetitions_are_scipys_one_by_one() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 2, (5, 4)), rng.normal(0, 1, (5, 6))
    welch, single = stats.ttest_ind(a, b, axis=1, equal_var=False), stats.ttest_1samp(a, 0, axis=1)
    centre, half, df = welch_interval(a, b, 0.9)
    assert df == close(welch.df)
    assert welch_p(a, b) == close(welch.pvalue)
    assert np.array([centre - half, centre + half]) == close(np.array(welch.confidence_interval(0.9)))
    centre, half = t_interval(a, 0.9, largest(a))
    assert np.array([centre - half, centre + half]) == close(np.array(single.confidence_interval(0.9)))


def test_half_widths_by_hand() -> None:
    widths = half_width(np.array([1.0, 0.5, 1e-17, 0.0]), np.array([2.0, 1.0, 5.0, 5.0]), np.ones(4), 0.95)
    assert widths == close(np.array([4.302653, 0.5 * 12.706205, np.inf, np.inf]), rel=1e-6)
    assert largest(np.array([[1.0, -3.0], [0.0, 2.0]])).tolist() == [3, 2]


def test_means_and_counts_of_nested_values_by_hand() -> None:
    assert teacher_means([[1.0, 3.0], [5.0]]).tolist() == [2, 5]
    assert count_students([[1.0, 3.0], [5.0]]) == 3


def test_assignments_by_hand() -> None:
    labels, signs = label_assignments(2, 1), sign_assignments(2)
    assert sorted(labels.matrix.tolist()) == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert sorted(signs.matrix.tolist()) == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert labels.exact and signs.exact
    assert labels.p_value(np.array([1.0, 3.0])) == close(np.array([1 / 3, 1]))
    assert Assignments(labels.matrix, exact=False).p_value(np.array([0.0, 3.0])) == close(np.array([1 / 4, 1]))


def test_permutation_ps_by_hand() -> None:
    # Of six ways to choose two, {3, 4} and {1, 2} lie as far apart as observed.
    assert label_p(np.array([[3.0, 4.0]]), np.array([[1.0, 2.0]]), label_assignments(2, 2)) == close([2 / 6])
    # |sum| of 1, 2, -3 is 0, the least there is; of 1, 2, 3 it is 6, reached with all signs alike.
    assert sign_p(np.array([[1.0, 2.0, -3.0], [1.0, 2.0, 3.0]]), sign_assignments(3)) == close([1, 2 / 8])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == close([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == close([1, 1])
    assert holm([]) == []


def test_total_variation_by_hand() -> None:
    assert total_variation({"owl": 0.6, "cat": 0.4}, {"owl": 0.1, "dog": 0.9}) == close(0.9)
    assert total_variation({"owl": 1.0}, {"cat": 1.0}) == 1


# --- smallest p, degenerate data, size


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 3), (4, 4), (5, 5), (3, 5)])
def test_smallest_p_is_the_documented_one(n: int, m: int) -> None:
    found = difference([[10.0 + i] for i in range(n)], [[float(i)] for i in range(m)])
    assert found.p == close((2 if n == m else 1) / math.comb(n + m, n))
    assert f"exact, all {math.comb(n + m, n)} assignments" in found.method


def test_teachers_that_do_not_vary_give_an_infinite_interval_and_a_p() -> None:
    found = difference([[0.3, 0.3]] * 3, [[0.1]] * 3)
    assert (found.ci_low, found.ci_high) == (-math.inf, math.inf)
    assert found.value == close(0.2)
    assert found.p == close(0.1)
    assert "do not vary" in found.method
    assert mean_estimate([[0.1, 0.2]] * 3).ci_high == math.inf
    alike = mean_of_contrasts([0.2, 0.2, 0.2])
    assert (alike.ci_low, alike.p) == (-math.inf, close(0.25))
    assert "traits do not vary" in alike.method
    assert welch_p(np.full((1, 3), 0.3), np.full((1, 3), 0.1)) == [0]
    strata = pooled([[0.2, 0.2], [0.3, 0.3, 0.3]])  # strata differ, and slots within them do not
    assert (strata.ci_low, strata.p) == (-math.inf, close(2 / 2**5))
    assert "slots do not vary" in strata.method
    # every difference is 0.2 but for rounding
    paired = paired_difference([[100.3], [100.4], [100.7]], [[100.1], [100.2], [100.5]])
    assert paired.ci_low == -math.inf
    assert paired.p == close(0.25)


def test_all_values_equal_is_no_evidence() -> None:
    assert difference([[0.0]] * 4, [[0.0]] * 4).p == 1
    assert difference([[0.1]] * 4, [[0.1]] * 3).p == 1
    assert paired_difference([[0.1]] * 4, [[0.1]] * 4).p == 1


def test_one_arm_that_does_not_vary_leaves_the_other_arms_width() -> None:
    found = difference([[1.0], [2.0], [3.0]], [[0.0]] * 5)
    alone = mean_estimate([[1.0], [2.0], [3.0]])
    assert (found.ci_low, found.ci_high) == close((alone.ci_low, alone.ci_high))


def test_many_teachers_take_a_seeded_monte_carlo_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 1, (11, 1)), rng.normal(0, 1, (11, 1))
    found = difference(a, b)
    assert found.p == 1 / (DRAWS + 1)  # never zero
    assert "Monte Carlo" in found.method
    near = difference(b + 0.3, a - 5, seed=1)
    assert near == difference(b + 0.3, a - 5, seed=1)
    assert near.p == close(difference(b + 0.3, a - 5, seed=2).p, abs=0.01)
    assert near.p == close(stats.ttest_ind(b + 0.3, a - 5).pvalue[0], abs=0.03)
    paired = paired_difference(rng.normal(5, 1, (18, 1)), np.zeros((18, 1)))
    assert paired.p == 1 / (DRAWS + 1)
    assert "Monte Carlo" in paired.method


# --- errors


@pytest.mark.parametrize("values", [[[0.1, 0.2, 0.3]], []])
def test_fewer_than_two_teachers_is_an_error_not_an_interval(values: Values) -> None:
    for call in (mean_estimate, lambda v: difference(v, CONTROL), lambda v: paired_difference(v, v)):
        with pytest.raises(ValueError, match="at least 2"):
            call(values)


def test_errors_name_the_place() -> None:
    with pytest.raises(ValueError, match=r"values\[1\]\[2\] is nan"):
        mean_estimate([[0.1], [0.2, 0.3, math.nan]])
    with pytest.raises(ValueError, match=r"control\[2\]\[0\] is inf"):
        difference(TREATMENT, [[0.1], [0.2], [math.inf]])
    with pytest.raises(ValueError, match=r"treatment\[1\] is empty"):
        difference([[0.1], []], CONTROL)
    with pytest.raises(ValueError, match="a holds 2 teachers and b 3"):
        paired_difference([[0.1], [0.2]], CONTROL)
    with pytest.raises(ValueError, match=r"contrasts\[2\] is nan"):
        mean_of_contrasts([0.1, 0.2, math.nan])
    with pytest.raises(ValueError, match=r"1 trait\(s\).* at least 2"):
        mean_of_contrasts([0.1])
    with pytest.raises(ValueError, match=r"strata\[1\]\[0\] is nan"):
        pooled([[0.1, 0.2], [math.nan, 0.1]])
    with pytest.raises(ValueError, match=r"strata\[1\] holds 1 slot\(s\)"):
        pooled([[0.1, 0.2], [0.1]])
    with pytest.raises(ValueError, match="strata is empty"):
        pooled([])
    with pytest.raises(ValueError, match="level"):
        mean_of_contrasts([0.1, 0.2], level=95)
    with pytest.raises(ValueError, match=r"p_values\[1\] is nan"):
        holm([0.1, math.nan])


def test_flat_values_are_refused_because_students_are_not_teachers() -> None:
    wrong: list[Any] = [[0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3]), ["ab", "cd"]]
    for values in wrong:
        with pytest.raises(ValueError, match="nest the values"):
            mean_estimate(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        difference(TREATMENT, CONTROL, level=level)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ({"a": 0.5, "b": 0.6}, {"a": 1.0}, "p sums to 1.1"),
        ({"a": 1.0}, {"a": 1.5, "b": -0.5}, "q holds -0.5"),
        ({"a": 0.5, "b": math.nan}, {"a": 1.0}, "p holds nan"),
        ({"a": 1.0}, {"a": math.inf}, "q holds inf"),
        ({}, {}, "sums to 0"),
    ],
)
def test_total_variation_refuses_what_is_no_distribution(p: Any, q: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        total_variation(p, q)


# --- invariants


@steady
@given(arm, arm, st.randoms(use_true_random=False))
def test_order_of_teachers_and_students_changes_nothing(a: Values, b: Values, rng: Any) -> None:
    assume(varies(a, b))
    mixed = [rng.sample(students, len(students)) for students in rng.sample(a, len(a))]
    first, second = difference(a, b), difference(mixed, b)
    assert (first.value, first.ci_low, first.p) == close((second.value, second.ci_low, second.p), abs=1e-9)


@steady
@given(arm, arm, st.integers(-50, 50))
def test_shifting_an_arm_shifts_the_interval_and_shifting_both_changes_nothing(a: Values, b: Values, by: int) -> None:
    assume(varies(a, b))
    plain, one = difference(a, b), difference(shifted(a, by), b)
    both = difference(shifted(a, by), shifted(b, by))
    assert (one.ci_low, one.ci_high) == close((plain.ci_low + by, plain.ci_high + by), abs=1e-9)
    assert (both.ci_low, both.ci_high, both.p) == close((plain.ci_low, plain.ci_high, plain.p), abs=1e-9)


@steady
@given(arm, arm, st.sampled_from([1e-6, 0.5, 3.0, 1e6]))
def test_scaling_scales_the_interval_and_keeps_p(a: Values, b: Values, factor: float) -> None:
    assume(varies(a, b))
    plain = difference(a, b)
    times_a, times_b = ([[x * factor for x in students] for students in v] for v in (a, b))
    scaled = difference(times_a, times_b)
    assert (scaled.ci_low / factor, scaled.ci_high / factor) == close((plain.ci_low, plain.ci_high), abs=1e-9)
    assert scaled.p == close(plain.p)


@steady
@given(arm, arm)
def test_swapping_arms_negates(a: Values, b: Values) -> None:
    there, back = difference(a, b), difference(b, a)
    assert (there.value, there.ci_low, there.ci_high) == close((-back.value, -back.ci_high, -back.ci_low))
    assert there.p == close(back.p)


@steady
@given(arm, st.data())
def test_swapping_pairs_negates(a: Values, data: st.DataObject) -> None:
    b = data.draw(st.lists(st.lists(value, min_size=1, max_size=3), min_size=len(a), max_size=len(a)))
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there.value, there.ci_low, there.ci_high) == close((-back.value, -back.ci_high, -back.ci_low))
    assert there.p == close(back.p)


@steady
@given(arm, arm, st.integers(2, 5))
def test_repeating_students_adds_no_certainty(a: Values, b: Values, times: int) -> None:
    repeated = [students * times for students in a]
    plain, more = difference(a, b), difference(repeated, b)
    assert (plain.ci_low, plain.ci_high, plain.p) == close((more.ci_low, more.ci_high, more.p), abs=1e-9)
    assert plain.units == more.units


@steady
@given(arm, arm)
def test_p_has_its_lower_bound_and_the_interval_never_zero_width(a: Values, b: Values) -> None:
    found = difference(a, b)
    assignments = math.comb(len(a) + len(b), len(a))
    assert found.p is not None
    assert (2 if len(a) == len(b) else 1) / assignments - 1e-12 <= found.p <= 1
    assert found.ci_low < found.value < found.ci_high


@steady
@given(arm, arm, st.sampled_from([0.5, 0.8, 0.95]))
def test_p_is_at_least_the_permutations_and_a_small_one_has_an_interval_without_zero(
    a: Values, b: Values, level: float
) -> None:
    assume(varies(a, b))
    found = difference(a, b, level=level)
    permuted = label_p(means(a)[None], means(b)[None], label_assignments(len(a), len(b)))[0]
    assert found.p is not None and found.p >= permuted - 1e-12
    if found.p < 1 - level - 1e-9:
        assert found.ci_low > 0 or found.ci_high < 0
    elif permuted < 1 - level - 1e-9:  # then Welch's p is the larger one
        assert found.ci_low - 1e-9 <= 0 <= found.ci_high + 1e-9


@steady
@given(arm, arm)
def test_a_higher_level_gives_a_wider_interval(a: Values, b: Values) -> None:
    assume(varies(a, b))
    narrow, wide = difference(a, b, level=0.8), difference(a, b, level=0.99)
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high


@steady
@given(arm, st.integers(-50, 50), st.sampled_from([1e-3, 2.0, 1e3]), st.randoms(use_true_random=False))
def test_a_mean_shifts_and_scales_with_its_values_in_any_order(a: Values, by: int, factor: float, rng: Any) -> None:
    assume(varies(a))
    plain = mean_estimate(a)
    changed = [[x * factor + by for x in students] for students in rng.sample(a, len(a))]
    found = mean_estimate(changed)
    expected = [x * factor + by for x in (plain.value, plain.ci_low, plain.ci_high)]
    assert [found.value, found.ci_low, found.ci_high] == close(expected, abs=1e-9)
    assert found.units == plain.units


@steady
@given(arm, st.lists(value, min_size=5, max_size=5))
def test_what_a_teacher_does_to_both_kinds_alike_changes_no_paired_difference(a: Values, alike: list[float]) -> None:
    b = [students[:1] for students in a[::-1]]
    both = [[[x + by for x in s] for s, by in zip(kind, alike, strict=False)] for kind in (a, b)]
    plain, found = paired_difference(a, b), paired_difference(*both)
    assert found.value == close(plain.value, abs=1e-9)
    assert found.p == close(plain.p)
    if np.ptp(means(a) - means(b)) > 1e-6:
        assert (found.ci_low, found.ci_high) == close((plain.ci_low, plain.ci_high), abs=1e-9)


@steady
@given(
    st.lists(value, min_size=2, max_size=14, unique=True),
    st.sampled_from([1e-3, -1.0, 1e3]),
    st.randoms(use_true_random=False),
)
def test_a_mean_of_contrasts_scales_with_them_in_any_order(contrasts: list[float], by: float, rng: Any) -> None:
    plain = mean_of_contrasts(contrasts)
    found = mean_of_contrasts([by * x for x in rng.sample(contrasts, len(contrasts))])
    ends = sorted([by * plain.ci_low, by * plain.ci_high])
    assert [found.value, found.ci_low, found.ci_high] == close([by * plain.value, *ends], abs=1e-9)
    assert plain.p is not None and found.p == close(plain.p)
    assert 2 / 2 ** len(contrasts) - 1e-12 <= plain.p <= 1
    pairs = paired_difference([[x] for x in contrasts], [[0.0]] * len(contrasts))
    assert (plain.ci_low, plain.ci_high, plain.p) == close((pairs.ci_low, pairs.ci_high, pairs.p))


strata_of_slots = st.lists(st.lists(value, min_size=2, max_size=4, unique=True), min_size=1, max_size=4)


@steady
@given(strata_of_slots, st.sampled_from([1e-3, -1.0, 1e3]), st.randoms(use_true_random=False))
def test_a_pooled_estimate_scales_with_its_slots_in_any_order(strata: Values, by: float, rng: Any) -> None:
    plain = pooled(strata)
    shuffled = [[by * x for x in rng.sample(slots, len(slots))] for slots in rng.sample(strata, len(strata))]
    found = pooled(shuffled)
    ends = sorted([by * plain.ci_low, by * plain.ci_high])
    assert [found.value, found.ci_low, found.ci_high] == close([by * plain.value, *ends], abs=1e-9)
    assert plain.p is not None and found.p == close(plain.p)
    assert 2 / 2 ** count_students(strata) - 1e-12 <= plain.p <= 1
    assert plain.p > 0.05 + 1e-9 or not plain.ci_low < 0 < plain.ci_high


@steady
@given(strata_of_slots, st.integers(-50, 50), st.data())
def test_shifting_one_stratum_shifts_the_pooled_mean_by_its_share_and_keeps_the_width(
    strata: Values, by: int, data: st.DataObject
) -> None:
    moved = data.draw(st.integers(0, len(strata) - 1))
    plain = pooled(strata)
    found = pooled([[x + by * (i == moved) for x in slots] for i, slots in enumerate(strata)])
    assert found.value == close(plain.value + by / len(strata), abs=1e-9)
    assert found.ci_high - found.ci_low == close(plain.ci_high - plain.ci_low)


@steady
@given(arm)
def test_a_paired_p_has_its_lower_bound(a: Values) -> None:
    p = paired_difference(a, [[0.0]] * len(a)).p
    assert p is not None
    assert 2 / 2 ** len(a) - 1e-12 <= p <= 1


rows = st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(value, min_size=n, max_size=n), min_size=1, max_size=4))


@steady
@given(rows, st.sampled_from([-2.0, 1e-3, 1e3]))
def test_ps_of_many_repetitions_are_those_one_by_one_at_any_scale(differences: list[list[float]], by: float) -> None:
    many = np.array(differences)
    n = many.shape[1]
    flips, labels = sign_assignments(n), label_assignments(n, n)
    two = (many, many[::-1] ** 2)
    together = sign_p(many * by, flips), label_p(two[0] * by, two[1] * by, labels)
    for i in range(len(many)):
        assert sign_p(many[i : i + 1], flips)[0] == together[0][i]
        assert label_p(two[0][i : i + 1], two[1][i : i + 1], labels)[0] == together[1][i]


@steady
@given(arm, arm)
def test_welchs_degrees_of_freedom_lie_in_their_range(a: Values, b: Values) -> None:
    assume(varies(a, b))
    _, _, df = welch_interval(means(a), means(b), 0.95)
    assert min(len(a), len(b)) - 1 - 1e-9 <= df <= len(a) + len(b) - 2 + 1e-9


@steady
@given(st.integers(2, 5), st.integers(2, 5))
def test_every_assignment_occurs_once(n: int, m: int) -> None:
    labels = label_assignments(n, m).matrix
    assert len(np.unique(labels, axis=0)) == len(labels) == math.comb(n + m, n)
    assert (labels.sum(axis=1) == n).all()
    assert len(np.unique(sign_assignments(n).matrix, axis=0)) == 2**n


probabilities = st.lists(st.floats(0, 1), max_size=12)


@steady
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_all_bonferroni_tests(raw: list[float]) -> None:
    """A hypothesis is rejected if every set of hypotheses that holds it is, each by its smallest p times its size."""
    indices = range(len(raw))
    sets = [s for size in range(1, len(raw) + 1) for s in itertools.combinations(indices, size)]
    closed = [max(min(1.0, len(s) * min(raw[j] for j in s)) for s in sets if i in s) for i in indices]
    assert holm(raw) == close(closed)


@steady
@given(probabilities)
def test_holm_is_at_least_raw_at_most_bonferroni_and_keeps_order(raw: list[float]) -> None:
    adjusted = holm(raw)
    assert all(p <= q <= 1 for p, q in zip(raw, adjusted, strict=True))
    assert all(q <= min(1, len(raw) * p) + 1e-12 for p, q in zip(raw, adjusted, strict=True))
    ordered = [q for _, q in sorted(zip(raw, adjusted, strict=True))]
    assert ordered == sorted(ordered)


@steady
@given(probabilities, st.randoms(use_true_random=False))
def test_holm_follows_its_input_order(raw: list[float], rng: Any) -> None:
    order = rng.sample(range(len(raw)), len(raw))
    adjusted = holm(raw)
    assert holm([raw[i] for i in order]) == [adjusted[i] for i in order]


weights = st.lists(st.integers(0, 100), min_size=4, max_size=4).filter(any)


@steady
@given(weights, weights, weights)
def test_total_variation_is_a_distance_between_0_and_1(a: list[int], b: list[int], c: list[int]) -> None:
    p, q, r = ({name: part / sum(w) for name, part in zip("abcd", w, strict=True)} for w in (a, b, c))
    assert total_variation(p, p) == 0
    assert total_variation(p, q) == total_variation(q, p)
    assert 0 <= total_variation(p, q) <= min(1, total_variation(p, r) + total_variation(r, q) + 1e-12)
    in_p_alone = {name: part for name, part in p.items() if part > 0}
    assert total_variation(in_p_alone, q) == total_variation(p, q)


@steady
@given(st.floats(0, 1), st.floats(0, 1))
def test_log_odds_rise_with_the_probability(p: float, q: float) -> None:
    low, high = sorted([p, q])
    assert log_odds(low) <= log_odds(high)


@steady
@given(st.floats(1e-5, 1 - 1e-5))
def test_log_odds_is_odd_about_one_half_and_inverts(p: float) -> None:
    assert log_odds(1 - p) == close(-log_odds(p), abs=1e-9)
    assert 1 / (1 + math.exp(-log_odds(p))) == close(p)


# --- validity by simulation


def exceeds(p: Floats, bound: float) -> bool:
    """Whether p <= bound occurs more often than `bound`, by four Monte Carlo standard errors."""
    return bool(np.mean(p <= bound + 1e-12) > bound + 4 * math.sqrt(bound * (1 - bound) / len(p)))


@pytest.mark.parametrize("sizes", [(3, 3), (4, 4), (5, 5), (3, 6)])
@pytest.mark.parametrize("skewed", [False, True])
def test_permutation_p_is_valid_when_labels_do_not_matter(sizes: tuple[int, int], skewed: bool) -> None:
    rng = np.random.default_rng([7, *sizes, skewed])
    drawn = rng.standard_normal((20_000, sum(sizes)))
    drawn = np.exp(2 * drawn) if skewed else drawn
    p = label_p(drawn[:, : sizes[0]], drawn[:, sizes[0] :], label_assignments(*sizes))
    assert not any(exceeds(p, bound) for bound in (0.01, 0.03, 0.05, 0.1, 0.2, 0.5, 0.9))
    # and uniform on the values it can take: no power is thrown away
    step = (2 if sizes[0] == sizes[1] else 1) / math.comb(sum(sizes), sizes[0])
    attainable = step * round(0.4 / step)
    assert np.mean(p <= attainable + 1e-9) == close(attainable, abs=0.015)


def test_sign_flip_p_is_valid_for_symmetric_differences() -> None:
    rng = np.random.default_rng(8)
    scales = np.array([0.1, 1, 1, 3, 10, 0.5])  # unequal variances are no offence here
    assignments = sign_assignments(6)
    p = sign_p(rng.standard_normal((10_000, 6)) * scales, assignments)
    assert not any(exceeds(p, bound) for bound in (0.02, 0.03125, 0.05, 0.1, 0.5))


@pytest.mark.parametrize("module", ["undertone.statistics", "benchmarks.coverage.coverage"])
def test_statistics_and_its_coverage_import_nothing_else_of_undertone(module: str) -> None:
    code = f"""
import importlib, json, pkgutil, sys
import undertone
before = set(sys.modules)
for found in pkgutil.walk_packages(importlib.import_module("undertone.statistics").__path__, "undertone.statistics."):
    importlib.import_module(found.name)
importlib.import_module("{module}")
print(json.dumps([name for name in set(sys.modules) - before if name.startswith("undertone.")]))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert {name.split(".")[1] for name in json.loads(done.stdout)} == {"statistics"}
