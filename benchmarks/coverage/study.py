"""How often an estimator's interval covers the true value, and how often interval and p raise a false alarm.

Each repetition draws a trial without an effect, averages it to teacher means and passes these to the functions that the
estimator calls. An effect shifts the intervals with the data, so their coverage is the same for every effect, and the
false alarms are exactly the intervals that miss.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from benchmarks.coverage import scenario as draws
from benchmarks.coverage.scenario import Scenario
from undertone.statistics.arrays import Bools, Floats
from undertone.statistics.estimate import difference_p, pooled_p
from undertone.statistics.interval import largest, stratified_interval, t_interval, welch_interval
from undertone.statistics.permutation import Assignments, label_assignments, sign_assignments, sign_p
from undertone.statistics.rate import Share

ALPHA = 0.05
PARTS = 100
"""More assignments than `ENUMERATED` are split into so many parts, about a thousand each, and so are the repetitions;
each part of the repetitions uses another part of the assignments. A single part would make all p values too small or
too large alike."""
ENUMERATED = 20_000
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
    p = p_in_parts(
        lambda arms, some: difference_p(arms[0], arms[1], some), (a, b), label_assignments(a.shape[1], b.shape[1])
    )
    return centre - half, centre + half, p


def measure_pairs(first: Floats, second: Floats, level: float = 1 - ALPHA) -> Ends:
    """Computes what `paired_difference` does."""
    a, b = first.mean(axis=2), second.mean(axis=2)
    centre, half = t_interval(a - b, level, np.maximum(largest(a), largest(b)))
    p = p_in_parts(lambda arms, some: sign_p(arms[0], some), [a - b], sign_assignments(a.shape[1]))
    return centre - half, centre + half, p


def measure_pooled(*strata: Floats, level: float = 1 - ALPHA) -> Ends:
    """Computes what `pooled` does with slots that are means over traits, `(repetitions, slots, traits)` a stratum."""
    means = [slots.mean(axis=2) for slots in strata]
    centre, half = stratified_interval(means, level)
    p = p_in_parts(pooled_p, means, sign_assignments(sum(slots.shape[1] for slots in means)))
    return centre - half, centre + half, p


def p_in_parts(
    p_of: Callable[[Sequence[Floats], Assignments], Floats],
    arms: Sequence[Floats],
    assignments: Assignments,
    parts: int = PARTS,
) -> Floats:
    """Returns the p values of every repetition, `(repetitions,)`, with assignments in parts where they are many."""
    rows = assignments.matrix
    if len(rows) <= ENUMERATED:
        return p_of(arms, assignments)
    if assignments.exact:  # enumerated in order, so that parts must be drawn
        rows = np.random.default_rng(0).permutation(rows)
    p = np.empty(len(arms[0]))
    for i in range(min(parts, len(p))):
        p[i::parts] = p_of([arm[i::parts] for arm in arms], Assignments(rows[i::parts], exact=False))
    return p


def alarms(p: Floats) -> Bools:
    """Returns where p is at most 5 %."""
    return p <= ALPHA + _ROUNDING


@dataclass(frozen=True)
class Quantile:
    """A quantile over simulated repetitions."""

    value: float
    """Infinite where too few repetitions are finite."""
    error: float
    """Monte Carlo standard error."""

    @classmethod
    def of(cls, values: Floats, share: float) -> Self:
        """Returns the quantile of `values`, `(repetitions,)`."""
        off = math.sqrt(share * (1 - share) / len(values))
        low, value, high = np.quantile(values, [share - off, share, share + off], method="inverted_cdf")
        return cls(float(value), float(high - low) / 2 if math.isfinite(value) else 0.0)

    def __str__(self) -> str:
        return f"{self.value:.2f} ± {self.error:.2f}" if math.isfinite(self.value) else "none"


@dataclass(frozen=True)
class Coverage:
    """Shares over the repetitions of one scenario."""

    scenario: str
    teachers: tuple[int, ...]
    """The number of teachers in every arm, or of slots in every stratum."""
    students: int
    """The number of students of each teacher, and of each kind; or of traits in each slot."""
    covered: Share
    """The share of intervals that include the true value; the others are false alarms."""
    above: Share
    """The share of intervals wholly above the true value."""
    below: Share
    """The share of intervals wholly below the true value."""
    half_width: Quantile
    """The median half-width, in standard deviations between control teachers."""
    p_alarms: Share | None
    """The share of p values of at most 5 %; None where there is no p."""
    p_positive: Share | None
    """The share of p values of at most 5 % whose estimate lies above the true value."""
    p_negative: Share | None
    """The share of p values of at most 5 % whose estimate lies below the true value."""

    @classmethod
    def of(cls, scenario: str, teachers: tuple[int, ...], students: int, ends: Ends) -> Self:
        """Counts over repetitions whose true value is zero."""
        low, high, p = ends
        sizes = (
            Share.of((low <= 0) & (high >= 0)),
            Share.of(low > 0),
            Share.of(high < 0),
            Quantile.of((high - low) / 2, 0.5),
        )
        if p is None:
            return cls(scenario, teachers, students, *sizes, None, None, None)
        alarm, positive = alarms(p), low + high > 0
        return cls(
            scenario,
            teachers,
            students,
            *sizes,
            Share.of(alarm),
            Share.of(alarm & positive),
            Share.of(alarm & ~positive),
        )


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
    """Numbers of students of each teacher, or of traits in each slot."""
    units: tuple[str, str] = ("teachers", "students each")
    """What `teachers` and `students` count, in the table's head."""
    times: int = 1
    """How many times as many repetitions as other studies."""

    def coverage(
        self, scenario: Scenario, teachers: tuple[int, ...], students: int, *, repetitions: int, seed: int = 0
    ) -> Coverage:
        """Simulates `repetitions` trials without an effect and counts covering intervals and false alarms."""
        rng = np.random.default_rng([seed, *teachers, students])
        ends = self.measure(*self.draw(scenario, teachers, students, repetitions, rng))
        return Coverage.of(scenario.name, teachers, students, ends)

    def results(self, repetitions: int, seed: int) -> Iterator[Coverage]:
        """Yields every row of the study's table, each of `times` as many repetitions."""
        for scenario in self.scenarios:
            for teachers in self.teachers:
                for students in self.students:
                    yield self.coverage(scenario, teachers, students, repetitions=self.times * repetitions, seed=seed)

    def table(self, results: Sequence[Coverage]) -> str:
        """Returns its results as a Markdown table, with shares in per cent and Monte Carlo standard errors."""
        header = ["values", *self.units, "interval covers", "lies above", "lies below", "half-width"]
        header += ["p <= .05", "and above", "and below"]
        columns = 7 if results[0].p_alarms is None else 10
        rows = (
            [
                *(r.scenario, " + ".join(map(str, r.teachers)), r.students, r.covered, r.above, r.below, r.half_width),
                *(r.p_alarms, r.p_positive, r.p_negative),
            ]
            for r in results
        )
        return markdown(header[:columns], (row[:columns] for row in rows))


_PAIRS = ((3, 3), (4, 4), (5, 5), (6, 6), (8, 8), (3, 6))  # in the last, the smaller arm is also the more variable one
DIFFERENCE = Study("difference", draws.two_arms, measure_difference, draws.TWO_ARMS, _PAIRS)
MEAN = Study(
    "mean_estimate", draws.one_arm, measure_mean, draws.SIX_TIMES, tuple((n,) for n in (3, 4, 6, 10, 12, 25)), (1,)
)
PAIRED = Study(
    "paired_difference", draws.two_kinds, measure_pairs, draws.SIX_TIMES, tuple((n,) for n in (4, 6, 8, 12, 25)), (1,)
)
OWN_MINUS_OTHER = Study(
    "own-minus-other-init", draws.two_arms_of_differences, measure_difference, draws.TWO_ARMS, _PAIRS, (1,)
)
OWN_SIX_TIMES = Study(
    "own-minus-other-init-six-times",
    draws.two_arms_of_differences,
    measure_difference,
    draws.SIX_TIMES,
    tuple((n, n) for n in (4, 6, 10)),
    (1,),
)
SIX_TIMES = Study(
    "difference-six-times",
    draws.two_arms,
    measure_difference,
    draws.SIX_TIMES,
    tuple((n, n) for n in (4, 6, 10, 12, 16, 20, 30)),
    (1,),
    times=4,
)
POOLED = Study(
    "pooled",
    draws.slots,
    measure_pooled,
    draws.STRATA,
    tuple((10,) * strata for strata in (1, 2, 3, 6)),
    (1, 3),
    ("slots", "traits"),
)
STUDIES = (DIFFERENCE, SIX_TIMES, MEAN, PAIRED, OWN_MINUS_OTHER, OWN_SIX_TIMES, POOLED)


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
