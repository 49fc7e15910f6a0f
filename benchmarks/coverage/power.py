"""The smallest effect that is found in 80 % of trials, for each number of teachers in an arm.

An effect is found if the interval of `difference` lies above zero, or if p is at most 5 % and the sign is right. Each
repetition has a smallest effect that is found in it. The share of trials in which an effect is found is the share of
repetitions whose smallest effect lies below it, so the result is the 80 % quantile of the smallest effects.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.coverage.scenario import Scenario, two_arms
from benchmarks.coverage.study import Quantile, alarms, markdown, measure_difference
from undertone.statistics.arrays import Bools, Floats

POWER = 0.8
TEACHERS = (3, 4, 5, 6, 7, 8)
SCENARIOS = (
    Scenario("normal, equal spread", student_spread=0.0),
    Scenario("normal, spread 6 : 1", treatment_spread=6.0, student_spread=0.0),
)
"""Students do not vary here: the unit of an effect is the standard deviation of the treatment's teacher means."""
_LARGEST, _HALVINGS = 16.0, 14


def smallest_effects(
    scenario: Scenario, teachers: int, *, repetitions: int, seed: int = 0
) -> tuple[Quantile, Quantile]:
    """Returns the smallest effects found by the interval and by p, with `teachers` in each arm."""
    rng = np.random.default_rng([seed, teachers])
    treatment, control = two_arms(scenario, (teachers, teachers), 1, repetitions, rng)
    treatment, control = treatment / scenario.treatment_spread, control / scenario.treatment_spread
    low, _, _ = measure_difference(treatment, control)
    return Quantile.of(-low, POWER), Quantile.of(found_by_p_from(treatment, control), POWER)


def found_by_p_from(treatment: Floats, control: Floats) -> Floats:
    """Returns the smallest effect that p finds in each repetition, by bisection; infinite where it finds none.

    For arms of equal size the permutation test compares differences of means (see `permutation`). An effect adds more
    to the difference under the observed labels than under any others, and it increases Welch's t. Therefore all larger
    effects are found too.
    """
    low, high = np.zeros(len(treatment)), np.full(len(treatment), _LARGEST)
    never = ~found(treatment, control, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_found = found(treatment, control, middle)
        low, high = np.where(is_found, low, middle), np.where(is_found, middle, high)
    return np.where(never, np.inf, high)


def found(treatment: Floats, control: Floats, effect: Floats) -> Bools:
    """Returns whether p is at most 5 %, with the right sign, when each repetition's effect is added to the
    treatment."""
    shifted = treatment + effect[:, None, None]
    _, _, p = measure_difference(shifted, control)
    gap: Floats = shifted.mean(axis=(1, 2)) - control.mean(axis=(1, 2))
    return alarms(p) & (gap > 0)


def table(teachers: Sequence[int], results: Sequence[Sequence[tuple[Quantile, Quantile]]]) -> str:
    """Returns the smallest effects as a Markdown table, with a row for each number of teachers and two columns for each
    scenario."""
    header = ["teachers an arm", *(f"{s.name}, by {how}" for s in SCENARIOS for how in ("interval", "p"))]
    rows = ([n, *(smallest for pair in row for smallest in pair)] for n, row in zip(teachers, results, strict=True))
    return markdown(header, rows)
