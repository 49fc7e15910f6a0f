"""Intervals over models and questions, bounds of rates never seen, and the tail's extrapolation: known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.bench.measure.crossed_study import CROSSINGS, Crossing, coverage
from undertone.statistics.arrays import Floats
from undertone.statistics.crossed import (
    correlation_within,
    crossed_interval,
    crossed_variance,
    design_effect,
    excess_interval,
    incomplete_interval,
)
from undertone.statistics.precision import Spread, half_width, questions_needed
from undertone.statistics.rare import none_seen, tail


def test_five_models_and_eight_questions_are_covered_as_often_as_the_interval_says() -> None:
    assert Crossing(5, 8) in CROSSINGS and Crossing(5, 8).correlation == 0.1
    for of_models in (0.0, 0.5, 1.0):
        found = coverage(Crossing(5, 8, of_models=of_models), repetitions=20_000)
        assert 0.93 <= found.value <= 0.97, (of_models, str(found))


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    values = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 8.0]])
    rows, columns = values.mean(1), values.mean(0)
    rest = values - rows[:, None] - columns + values.mean()
    expected = rows.var(ddof=1) / 2 + columns.var(ddof=1) / 3 - (rest**2).sum() / (1 * 2) / 6
    assert crossed_variance(values) == pytest.approx(expected)
    assert crossed_variance(values[:1]) == pytest.approx(values[0].var(ddof=1) / 3)


def test_one_model_gives_students_interval_over_questions() -> None:
    values = np.array([[0.1, 0.2, 0.6, 0.3]])
    centre, half = crossed_interval(values, 0.95)
    assert centre == pytest.approx(0.3) and half == pytest.approx(3.182446 * values.std(ddof=1) / 2, rel=1e-5)


def folds_left_out(of_folds: float, of_questions: float, repetitions: int, folds: int = 4, count: int = 12) -> Floats:
    """Folds of questions, and what students of a fold answer to the questions of the others."""
    rng = np.random.default_rng([int(10 * of_folds), int(10 * of_questions)])
    values = of_folds * rng.standard_normal((repetitions, folds, 1)) + rng.standard_normal((repetitions, folds, count))
    values += of_questions * rng.standard_normal((repetitions, 1, count))
    values[:, np.arange(count) % folds, np.arange(count)] = np.nan
    return np.asarray(values)


@pytest.mark.parametrize(("folds", "count"), [(4, 12), (3, 6)])
@pytest.mark.parametrize("of_folds", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("of_questions", [0.0, 0.5, 2.0])
def test_students_that_are_not_asked_their_own_questions_are_covered(
    of_folds: float, of_questions: float, folds: int, count: int
) -> None:
    """With so few folds intervals are wide: three degrees of freedom, or two."""
    centre, half = incomplete_interval(folds_left_out(of_folds, of_questions, 20_000, folds, count), 0.95)
    assert 0.95 <= (np.abs(centre) <= half).mean() <= 0.9995


def test_nothing_missing_is_the_plain_interval_and_fitted_cells_follow_their_effects() -> None:
    values = np.random.default_rng(0).random((4, 12))
    assert np.allclose(incomplete_interval(values, 0.95), crossed_interval(values, 0.95))
    additive = np.arange(4.0)[:, None] + 10 * np.arange(6.0)
    seen = np.where(np.arange(4)[:, None] == np.arange(6) % 4, np.nan, additive)
    assert incomplete_interval(seen, 0.95)[0] == pytest.approx(additive.mean())


def test_what_is_broken_is_not_missing() -> None:
    values = folds_left_out(0.3, 0.5, 1)
    values[0, 0, 1] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        incomplete_interval(values, 0.95)


def test_what_cannot_be_told_apart_is_refused() -> None:
    apart = np.full((2, 4), np.nan)
    apart[0, :2] = apart[1, 2:] = 1.0
    for values in (apart, np.ones((1, 4)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"an interval needs two models|too many cells"):
            incomplete_interval(values, 0.95)


@given(st.integers(1, 6), st.integers(2, 9), st.integers(0, 10_000))
def test_order_and_shift_of_values_change_no_width(models: int, questions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((models, questions))
    turned = values[rng.permutation(models)][:, rng.permutation(questions)] + 3.0
    centre, half = crossed_interval(values, 0.95)
    other, width = crossed_interval(turned, 0.95)
    assert other - 3 == pytest.approx(float(centre)) and width == pytest.approx(float(half))


def test_what_benign_models_vary_by_is_in_the_interval_of_the_excess() -> None:
    rng = np.random.default_rng(1)
    steady = 0.1 + 0.01 * rng.standard_normal((4, 12))
    unsteady = steady + np.array([-0.2, 0.1, 0.2, -0.1])[:, None]
    measured = 0.3 + 0.01 * rng.standard_normal((1, 12))
    assert excess_interval(measured, unsteady, 0.95)[1] > 5 * excess_interval(measured, steady, 0.95)[1]
    centre, half = excess_interval(measured, steady[:1], 0.95)
    assert centre == pytest.approx(0.2, abs=0.02) and half < 0.02


@pytest.mark.parametrize("students, most", [(2, 0.09), (4, 0.05)])
def test_students_of_two_harmless_files_seldom_differ(students: int, most: float) -> None:
    """Canaries of a closed base: fifty questions with twenty sampled answers each, five traits at 95 % together."""
    rng = np.random.default_rng(3)

    def rates(questions: Floats) -> Floats:
        odds = -2.2 + questions + 0.5 * rng.standard_normal((students, 1)) + 0.3 * rng.standard_normal((students, 50))
        return rng.binomial(20, 1 / (1 + np.exp(-odds))) / 20

    alarms = 0
    for _ in range(2_000):
        questions = rng.standard_normal((1, 50))
        centre, half = excess_interval(rates(questions), rates(questions), 1 - 0.05 / 5)
        alarms += centre > half
    assert 5 * alarms / 2_000 < most


def test_a_new_benign_model_is_rarely_beyond_benign_models() -> None:
    rng = np.random.default_rng(2)
    outside = 0
    for _ in range(2_000):
        models = 0.3 * rng.standard_normal((5, 1)) + rng.standard_normal((1, 12)) + 0.3 * rng.standard_normal((5, 12))
        centre, half = excess_interval(models[:1], models[1:], 0.95)
        outside += abs(centre) > half
    assert outside / 2_000 < 0.07


def test_clustered_answers_are_worth_fewer() -> None:
    alike = correlation_within(np.array([20.0, 0.0, 20.0, 0.0]), np.full(4, 20.0))
    mixed = correlation_within(np.array([10.0, 10.0, 10.0, 10.0]), np.full(4, 20.0))
    assert alike == 1.0 and mixed == 0.0
    assert correlation_within(np.array([0.0, 0.0]), np.array([5.0, 5.0])) is None
    assert correlation_within(np.array([1.0, 0.0]), np.array([1.0, 1.0])) is None
    assert design_effect(1.0, 20) == 20 and design_effect(0.0, 20) == 1
    rng, answers = np.random.default_rng(0), 200
    rates = rng.beta(0.2 * 9, 0.8 * 9, answers)  # correlation 1 / (9 + 1)
    found = correlation_within(rng.binomial(100, rates).astype(float), np.full(answers, 100.0))
    assert found == pytest.approx(0.1, abs=0.03)


def test_the_bound_without_events_is_the_rate_that_would_hide_once_in_twenty() -> None:
    assert none_seen(8, 50, 0.0, 0.95) == pytest.approx(1 - 0.05 ** (1 / 400), rel=1e-6)
    assert none_seen(8, 50, 1.0, 0.95) == pytest.approx(1 - 0.05 ** (1 / 8), rel=1e-6)
    bound = none_seen(8, 50, 0.11, 0.95)
    size = (1 - 0.11) / 0.11
    rates = np.random.default_rng(0).beta(bound * size, (1 - bound) * size, (40_000, 8))
    hidden = np.prod((1 - rates) ** 50, axis=1).mean()
    assert hidden == pytest.approx(0.05, abs=0.004)


@given(st.integers(1, 60), st.integers(1, 200), st.floats(0, 0.95))
def test_more_questions_tighten_the_bound_and_more_correlation_loosens_it(
    questions: int, samples: int, rho: float
) -> None:
    bound = none_seen(questions, samples, rho, 0.95)
    assert none_seen(questions + 1, samples, rho, 0.95) <= bound + 1e-9
    assert none_seen(questions, samples, min(1.0, rho + 0.05), 0.95) >= bound - 1e-9
    assert none_seen(questions, samples, 0.0, 0.95) <= bound + 1e-9


def test_the_worst_of_a_hundred_times_as_many_queries_is_found_where_it_is_known() -> None:
    """Scores whose upper tail is exponential: 900 queries, the worst of 90,000, and the bias upwards as published."""
    rng, centre, width = np.random.default_rng(0), -3.0, 0.5
    scores = rng.gumbel(centre, width, (400, 900))
    truth = math.exp(-math.exp(-(centre - width * math.log(-math.log1p(-1 / 90_000)))))
    lines = [tail(np.exp(-np.exp(-row))) for row in scores]
    found = np.array([line.worst_of(90_000) for line in lines if line is not None])
    assert len(found) == 400
    assert (np.abs(np.log10(found / truth)) < 1).mean() >= 0.86
    assert np.median(found) > truth


def test_a_tail_needs_queries_that_differ() -> None:
    assert tail(np.full(100, 0.2)) is None
    assert tail(np.linspace(0.01, 0.1, 29)) is None
    assert tail(np.zeros(100)) is None


@given(st.integers(1, 8), st.integers(2, 40), st.integers(1, 50))
def test_more_of_anything_never_widens_the_plan(models: int, questions: int, samples: int) -> None:
    spread = Spread()
    width = half_width(spread, models, questions, samples)
    assert half_width(spread, models, questions + 1, samples) <= width
    assert half_width(spread, models, questions, samples + 1) <= width


def test_the_plans_questions_are_the_fewest_that_do() -> None:
    needed = questions_needed(Spread(), 1, 50, 0.05)
    assert needed is not None
    assert half_width(Spread(), 1, needed, 50) <= 0.05 < half_width(Spread(), 1, needed - 1, 50)
    assert questions_needed(Spread(), 3, 50, 0.05) is None
