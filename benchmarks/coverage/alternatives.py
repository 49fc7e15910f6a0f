"""Other intervals for a difference between two arms, on the same simulated trials as `difference`'s own.

None of them is used by Undertone. They show what another choice would gain where teachers are skewed, and cost where
they are not.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.coverage import scenario as draws
from benchmarks.coverage.scenario import MILD, STRONG, Scenario
from benchmarks.coverage.study import ALPHA, Ends, Study, markdown, measure_difference
from undertone.statistics.arrays import Floats
from undertone.statistics.interval import largest, t_interval, welch_interval

RESAMPLES = 999
TEACHERS = (6, 10, 30)
SCENARIOS = (
    Scenario("normal", treatment_spread=6.0),
    Scenario("mild skew", treatment_spread=6.0, log_spread=MILD),
    Scenario("strong skew", treatment_spread=6.0, log_spread=STRONG),
)
"""To the right; to the left, what lies above and below changes places."""


def pairs(treatment: Floats, control: Floats) -> Ends:
    """Student's t on the differences between teachers of the same index."""
    differences = (treatment - control)[:, :, 0]
    centre, half = t_interval(differences, 1 - ALPHA, largest(differences))
    return centre - half, centre + half, None


def johnson(treatment: Floats, control: Floats) -> Ends:
    """Welch's interval, moved by the skewness of the difference of means (Johnson, J. Am. Stat. Assoc. 73, 1978)."""
    arms = treatment[:, :, 0], control[:, :, 0]
    centre, half, _ = welch_interval(*arms, 1 - ALPHA)
    variance = sum(arm.var(axis=1, ddof=1) / arm.shape[1] for arm in arms)
    move = (_third_moment(arms[0]) - _third_moment(arms[1])) / (6 * variance)
    return centre + move - half, centre + move + half, None


def bootstrap_t(treatment: Floats, control: Floats) -> Ends:
    """The bootstrap-t interval: quantiles of Welch's t over resampled teachers (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, section 12.5)."""
    rng = np.random.default_rng(0)
    low, high = np.empty((2, len(treatment)))
    for i, arms in enumerate(zip(treatment[:, :, 0], control[:, :, 0], strict=True)):
        centre, error = _welch(*arms)
        means, errors = _welch(*(arm[rng.integers(0, len(arm), (RESAMPLES, len(arm)))] for arm in arms))
        away = means - centre
        t = np.divide(away, errors, out=np.copysign(np.inf, away), where=errors > 0)
        few, many = np.quantile(t, [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
        low[i], high[i] = centre - many * error, centre - few * error
    return low, high, None


def wider(treatment: Floats, control: Floats) -> Ends:
    """From the lower of the ends of Welch's and the bootstrap-t interval to the higher."""
    one, other = measure_difference(treatment, control), bootstrap_t(treatment, control)
    return np.minimum(one[0], other[0]), np.maximum(one[1], other[1]), None


INTERVALS: dict[str, Callable[[Floats, Floats], Ends]] = {
    "Welch's t (used)": measure_difference,
    "t of pairs": pairs,
    "Johnson's t": johnson,
    "bootstrap-t": bootstrap_t,
    "the wider of Welch's and bootstrap-t": wider,
}


def table(repetitions: int, seed: int) -> str:
    """Returns coverage in per cent and median half-width of every interval as a Markdown table."""
    studies = [Study(name, draws.two_arms, measure, SCENARIOS, ()) for name, measure in INTERVALS.items()]
    rows = []
    for scenario in SCENARIOS:
        for n in TEACHERS:
            found = [one.coverage(scenario, (n, n), 1, repetitions=repetitions, seed=seed) for one in studies]
            rows.append([scenario.name, n, *(f"{each.covered}; {each.half_width}" for each in found)])
    return markdown(["values", "teachers an arm", *INTERVALS], rows)


def _welch(treatment: Floats, control: Floats) -> tuple[Floats, Floats]:
    """Returns the difference of means over the last axis and its standard error."""
    parts = [arm.var(axis=-1, ddof=1) / arm.shape[-1] for arm in (treatment, control)]
    return treatment.mean(axis=-1) - control.mean(axis=-1), np.sqrt(parts[0] + parts[1])


def _third_moment(values: Floats) -> Floats:
    """Returns the unbiased third central moment of the mean of `(repetitions, teachers)`."""
    n = values.shape[1]
    cubes = ((values - values.mean(axis=1, keepdims=True)) ** 3).sum(axis=1)
    return np.asarray(cubes / (n * (n - 1) * (n - 2)))
