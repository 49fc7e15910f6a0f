"""The time left is true: it follows what was seen, however wrong estimates were, and never stands still at nothing."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.cli.forecast import Forecast


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(forecast: Forecast, clock: Clock, name: str, parts: int, each: float, seen: Callable[[], None]) -> None:
    """Does a stage part by part and looks at the forecast ten times in each."""
    forecast.advance(name, 0, parts)
    for i in range(parts):
        for _ in range(10):
            clock.now += each / 10
            seen()
        forecast.advance(name, i + 1, parts)


@pytest.mark.parametrize("wrong", [0.2, 1.0, 5.0])
def test_estimates_that_are_wrong_by_a_factor_are_corrected(wrong: float, clock: Clock) -> None:
    forecast = Forecast(clock)
    for name in ("teacher", "student"):
        forecast.expect(name, 100.0 / wrong)
    assert forecast.left == pytest.approx(200.0 / wrong)
    errors = list[float]()

    def seen() -> None:
        if clock.now > 60:  # three tenths of all
            true = 200.0 - clock.now
            errors.append(abs((forecast.left or 0.0) - true) / (true + 10))

    for name in ("teacher", "student"):
        work(forecast, clock, name, 20, 5.0, seen)
    assert errors and max(errors) < 0.25
    assert forecast.left == 0.0 and forecast.share == 1.0


def test_work_that_nothing_is_known_of_is_counted_by_parts_of_its_kind(clock: Clock) -> None:
    forecast = Forecast(clock)
    for model in ("base", "tuned"):
        forecast.advance(f"{model}: choices", 0, 1000)
        forecast.advance(f"{model}: answers", 0, 10)
    assert forecast.left is None and forecast.share == 0.0
    work(forecast, clock, "base: choices", 1000, 0.01, lambda: None)
    work(forecast, clock, "base: answers", 10, 3.0, lambda: None)
    assert forecast.left == pytest.approx(1000 * 0.01 + 10 * 3.0)
    assert forecast.share == pytest.approx(0.5)


def test_what_was_done_before_says_nothing_of_how_long_the_rest_takes(clock: Clock) -> None:
    forecast = Forecast(clock)
    forecast.advance("steps", 900, 1000)
    clock.now = 2.0
    forecast.advance("steps", 901, 1000)
    assert forecast.left == pytest.approx(99 * 2.0)


def test_jobs_side_by_side_are_judged_by_their_own_seconds(clock: Clock) -> None:
    forecast = Forecast(clock)
    forecast.expect("student", 40.0)
    forecast.advance("student", 0, 10)
    clock.now = 30.0  # starting the processes, which no later job needs
    forecast.advance("student", 1, 10, took=4.0)
    assert forecast.left == pytest.approx(36.0)


def test_a_part_that_is_late_never_stands_still_at_nothing(clock: Clock) -> None:
    forecast = Forecast(clock)
    forecast.expect("audit", 10.0)
    told = list[float]()
    for second in range(200):
        clock.now = float(second)
        told.append(forecast.left or 0.0)
    assert told[:5] == [10.0, 9.0, 8.0, 7.0, 6.0]
    assert min(told) >= 2.0 and told[-1] > 40.0 and 0.7 < forecast.share < 0.9


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9), st.none() | st.floats(0, 1e6)),
        max_size=20,
    ),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e6)),
    st.floats(0, 1e6),
)
def test_whatever_is_told_the_forecast_is_a_share_and_a_time(
    notes: list[tuple[str, int, int, float | None]], expected: dict[str, float], step: float
) -> None:
    clock = Clock()
    forecast = Forecast(clock)
    for name, seconds in expected.items():
        forecast.expect(name, seconds)
    for name, done, total, took in notes:
        clock.now += step
        forecast.advance(name, done, total, took)
        assert 0 <= forecast.share <= 1 and (forecast.left is None or forecast.left >= 0)
