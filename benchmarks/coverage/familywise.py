"""False alarms of the diagonal contrasts of a trait x trait matrix and of their mean, as in `undertone run animals`.

Each trait's teachers are compared with the teachers of all other traits, on each student's shift of that trait minus
its mean shift of the other candidates. The contrasts share teachers and candidates, so they are not independent.
Holm's method does not need independence, only p values that are each valid. The interval of their mean, whose units are
the traits, does need it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage.scenario import MILD, STRONG, teacher_effects
from benchmarks.coverage.study import ALPHA, alarms, markdown, p_in_parts
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import difference_p, holm
from undertone.statistics.interval import largest, t_interval, welch_interval
from undertone.statistics.permutation import label_assignments, sign_assignments, sign_p
from undertone.statistics.rate import Share

TRAITS, CANDIDATES, TEACHERS = 14, 18, 4
"""As in the recipe `animals`; each teacher has one student."""
PARTS = 20
"""The 99,999 random assignments of a run are split into so many parts: Holm's method asks for small p values."""


@dataclass(frozen=True)
class Family:
    """How the shifts of all candidates vary between teachers, in units of their standard deviation."""

    name: str
    """The name in the table."""
    own_spread: float = 1.0
    """The standard deviation of the shift of a teacher's own trait."""
    log_spread: float = 0.0
    """Shifts of the own trait are log-normal as in `Scenario.log_spread`; 0 is normal."""
    passing: int = 0
    """The number of traits that truly pass, with a mean shift of 5; finding these is no false alarm."""


FAMILIES = (
    Family("none passes, own trait varies as others do"),
    Family("half pass, own trait varies as others do", passing=TRAITS // 2),
    Family("none passes, own trait varies 3 times as much", own_spread=3.0),
    Family("none passes, own trait varies 6 times as much", own_spread=6.0),
    Family("the same, mild skew to the right", own_spread=6.0, log_spread=MILD),
    Family("the same, mild skew to the left", own_spread=6.0, log_spread=-MILD),
    Family("the same, strong skew to the right", own_spread=6.0, log_spread=STRONG),
    Family("the same, strong skew to the left", own_spread=6.0, log_spread=-STRONG),
)


@dataclass(frozen=True)
class Familywise:
    """Shares over the repetitions of one family."""

    family: str
    covered: Share
    """The share of a trait's intervals that include the true value."""
    p_alarms: Share
    """The share of p values of at most 5 %, for a trait that does not pass."""
    any_raw: Share
    """The share of repetitions with any such p among the traits that do not pass."""
    any_holm: Share
    """The same after Holm's method over all traits."""
    mean_covered: Share
    """The share of intervals that include the true mean over traits."""
    mean_alarms: Share | None
    """The share of p values of at most 5 % for the mean over traits; None where some pass."""


def simulate(family: Family, repetitions: int, rng: np.random.Generator) -> Floats:
    """Returns shifts of every candidate in every teacher's student, `(repetitions, traits, teachers, candidates)`.

    The first candidates are the traits, in the order of the traits' axis, and the first of these are those that pass.
    """
    shifts = rng.standard_normal((repetitions, TRAITS, TEACHERS, CANDIDATES))
    own = family.own_spread * teacher_effects((repetitions, TRAITS, TEACHERS), family.log_spread, rng)
    own[:, : family.passing] += 5
    trait = np.arange(TRAITS)
    shifts[:, trait, :, trait] = own.swapaxes(0, 1)
    return shifts


def contrasts(shifts: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yields the values of the trait's own and of all other teachers, for each trait, `(repetitions, teachers)` each.

    A value is the student's shift of the trait minus its mean shift of the other candidates. The mean leaves out the
    trait of the student's own teacher, as in `undertone.experiments.trial.contrasts.specificity`.
    """
    trait = np.arange(TRAITS)
    total, own = shifts.sum(axis=-1), shifts[:, trait, :, trait].swapaxes(0, 1)
    for asked in trait:
        column = shifts[..., asked]
        others = (total - column - own) / (CANDIDATES - 2)
        others[:, asked] = (total - column)[:, asked] / (CANDIDATES - 1)
        values = column - others
        yield values[:, asked], np.delete(values, asked, axis=1).reshape(len(values), -1)


def familywise(family: Family, *, repetitions: int, seed: int = 0) -> Familywise:
    """Simulates whole matrices and counts covering intervals and false alarms."""
    shifts = simulate(family, repetitions, np.random.default_rng([seed, TRAITS, TEACHERS]))
    assignments = label_assignments(TEACHERS, (TRAITS - 1) * TEACHERS)
    truth = np.where(np.arange(TRAITS) < family.passing, 5.0, 0.0)
    centres, halves, p = np.empty((3, repetitions, TRAITS))
    for trait, (own, others) in enumerate(contrasts(shifts)):
        centres[:, trait], halves[:, trait], _ = welch_interval(own, others, 1 - ALPHA)
        p[:, trait] = p_in_parts(
            lambda arms, some: difference_p(arms[0], arms[1], some), (own, others), assignments, PARTS
        )
    raw, adjusted = alarms(p), alarms(np.array([holm(row) for row in p.tolist()]))
    null = slice(family.passing, None)
    mean, half = t_interval(centres, 1 - ALPHA, largest(centres))
    flips = sign_assignments(TRAITS)
    mean_p = np.concatenate([sign_p(some, flips) for some in np.array_split(centres, PARTS)])
    return Familywise(
        family.name,
        Share.of((np.abs(centres - truth) <= halves).mean(axis=1)),
        Share.of(raw[:, null].mean(axis=1)),
        Share.of(raw[:, null].any(axis=1)),
        Share.of(adjusted[:, null].any(axis=1)),
        Share.of(np.abs(mean - truth.mean()) <= half),
        None if family.passing else Share.of(alarms(mean_p)),
    )


def table(results: Sequence[Familywise]) -> str:
    """Returns the results as a Markdown table, with shares in per cent and their Monte Carlo standard errors."""
    header = ["values", "interval covers", "p <= .05", "any p <= .05", "any after Holm"]
    header += ["mean over traits covers", "its p <= .05"]
    rows = (
        [r.family, r.covered, r.p_alarms, r.any_raw, r.any_holm, r.mean_covered, r.mean_alarms or ""] for r in results
    )
    return markdown(header, rows)
