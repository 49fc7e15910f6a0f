"""How often an estimator's interval covers the true value, and how often interval and p raise a false alarm.

Each repetition draws a trial without an effect, averages it to teacher means and passes these to the functions that the
estimator calls. An effect shifts the intervals with the data, so their coverage is the same for every effect, and the
false alarms are exactly the intervals that miss.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage import scenario as draws
from benchmarks.coverage.scenario import Scenario
from undertone.statistics.arrays import Bools, Floats
from undertone.statistics.estimate import difference_p
from undertone.statistics.interval import largest, t_interval, welch_interval
from undertone.statistics.permutation import label_assignments, sign_assignments, sign_p
from undertone.statistics.rate import Share

ALPHA = 0.05
_ROUNDING = 1e-12  # p is a multiple of 1 / assignments, and rounding must not decide whether it reaches a bound

Ends = tuple[Floats, Floats, Floats | None]
"""Interval ends and p (None where no hypothesis is tested) of every repetition, each `(repetitions,)`."""


def measure_mean(values: Floats, level: float = 1 - ALPHA) -> Ends:
    """Computes what `mean_estimate` does. Values have shape `(repetitions, teachers, students)`, here and below."""
    means = values.mean(axis=2)
    centre, half = t_interval(means, level, largest(means))
    return centre - half, centre + half, None


def measure_difference(treatment: Floats, control: Floats, level: float = 1 - ALPHA) -> tuple[Floats, Floats, Floats]:
    """Computes what `difference` does."""
    a, b = treatment.mean(axis=2), control.mean(axis=2)
    centre, half, _ = welch_interval(a, b, level)
    return centre - half, centre + half, difference_p(a, b, label_assignments(a.shape[1], b.shape[1]))


def measure_pairs(first: Floats, second: Floats, level: float = 1 - ALPHA) -> Ends:
    """Computes what `paired_difference` does."""
    a, b = first.mean(axis=2), second.mean(axis=2)
    centre, half = t_interval(a - b, level, np.maximum(largest(a), largest(b)))
    return centre - half, centre + half, sign_p(a - b, sign_assignments(a.shape[1]))


def alarms(p: Floats) -> Bools:
    """Returns where p is at most 5 %."""
    return p <= ALPHA + _ROUNDING


@dataclass(frozen=True)
class Coverage:
    """Shares over the repetitions of one scenario."""

    scenario: str
    teachers: tuple[int, ...]
    """The number of teachers in every arm."""
    students: int
    """The number of students of each teacher, and of each kind."""
    covered: Share
    """The share of intervals that include the true value; the others are false alarms."""
    p_alarms: Share | None
    """The share of p values of at most 5 %; None where there is no p."""


@dataclass(frozen=True)
class Study:
    """One estimator, and the simulated trials on which it is tested."""

    name: str
    draw: Callable[[Scenario, Sequence[int], int, int, np.random.Generator], tuple[Floats, ...]]
    """Draws trials, as in `scenario`."""
    measure: Callable[..., Ends]
    """Gives intervals and p for what was drawn."""
    scenarios: tuple[Scenario, ...]
    teachers: tuple[tuple[int, ...], ...]
    """Numbers of teachers in the arms."""
    students: tuple[int, ...] = (1, 2)
    """Numbers of students of each teacher."""

    def coverage(
        self, scenario: Scenario, teachers: tuple[int, ...], students: int, *, repetitions: int, seed: int = 0
    ) -> Coverage:
        """Simulates `repetitions` trials without an effect and counts covering intervals and false alarms."""
        rng = np.random.default_rng([seed, *teachers, students])
        low, high, p = self.measure(*self.draw(scenario, teachers, students, repetitions, rng))
        p_alarms = None if p is None else Share.of(alarms(p))
        return Coverage(scenario.name, teachers, students, Share.of((low <= 0) & (high >= 0)), p_alarms)

    def results(self, repetitions: int, seed: int) -> Iterator[Coverage]:
        """Yields every row of the study's table."""
        for scenario in self.scenarios:
            for teachers in self.teachers:
                for students in self.students:
                    yield self.coverage(scenario, teachers, students, repetitions=repetitions, seed=seed)


_PAIRS = ((3, 3), (4, 4), (5, 5), (6, 6), (8, 8), (3, 6))  # in the last, the smaller arm is also the more variable one
_SINGLES = ((3,), (4,), (5,), (6,), (8,))

DIFFERENCE = Study("difference", draws.two_arms, measure_difference, draws.TWO_ARMS, _PAIRS)
MEAN = Study("mean_estimate", draws.one_arm, measure_mean, draws.ONE_ARM, _SINGLES)
PAIRED = Study("paired_difference", draws.two_kinds, measure_pairs, draws.ONE_ARM, _SINGLES)
OWN_MINUS_OTHER = Study(
    "own-minus-other-init", draws.two_arms_of_differences, measure_difference, draws.TWO_ARMS, _PAIRS, (1,)
)
STUDIES = (DIFFERENCE, MEAN, PAIRED, OWN_MINUS_OTHER)


def table(results: Sequence[Coverage]) -> str:
    """Returns the results of one study as a Markdown table, with shares in per cent and their Monte Carlo standard
    errors."""
    header = ["values", "teachers", "students each", "interval covers", "p <= .05"]
    columns = 4 if results[0].p_alarms is None else 5
    rows = ([r.scenario, " + ".join(map(str, r.teachers)), r.students, r.covered, r.p_alarms] for r in results)
    return markdown(header[:columns], (row[:columns] for row in rows))


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
