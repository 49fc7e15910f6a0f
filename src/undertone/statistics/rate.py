"""Shares of units or of simulated repetitions, with their uncertainty."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest


@dataclass(frozen=True)
class Rate:
    """A share of independent units, such as teachers."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN where there are no units."""
        return self.count / self.of if self.of else float("nan")

    @property
    def ci(self) -> tuple[float, float]:
        """The exact 95 % interval of Clopper and Pearson."""
        found = binomtest(self.count, self.of).proportion_ci() if self.of else None
        return (float(found.low), float(found.high)) if found else (0.0, 1.0)

    def above(self, alpha: float) -> float:
        """Returns the exact p value of the hypothesis that the true share is at most ``alpha``."""
        return float(binomtest(self.count, self.of, alpha, alternative="greater").pvalue) if self.of else 1.0


@dataclass(frozen=True)
class Share:
    """A share of simulated repetitions, 0 to 1."""

    value: float
    error: float
    """Monte Carlo standard error."""

    @classmethod
    def of(cls, counted: ArrayLike) -> Self:
        """Returns the mean of ``counted``, shape `(repetitions,)`: booleans, or a share within each repetition."""
        values = np.asarray(counted, dtype=np.float64)
        return cls(float(values.mean()), float(values.std()) / math.sqrt(len(values)))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ± {100 * self.error:.1f}"
