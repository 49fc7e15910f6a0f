"""Estimates whose unit is the teacher, or the trait, with intervals, permutation tests and multiplicity control.

`docs/statistics.md` shows by simulation what the intervals cover; `benchmarks.coverage.coverage` makes it.
"""

from undertone.statistics.distribution import total_variation
from undertone.statistics.estimate import (
    Estimate,
    difference,
    holm,
    log_odds,
    mean_estimate,
    mean_of_contrasts,
    paired_difference,
)

__all__ = [  # noqa: RUF022 - grouped, not sorted
    # what is estimated
    "Estimate",
    "difference",
    "mean_estimate",
    "mean_of_contrasts",
    "paired_difference",
    # scales and distances
    "log_odds",
    "total_variation",
    # many tests
    "holm",
]
