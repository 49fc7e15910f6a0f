"""A share of independent units, with its exact interval."""

from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True)
class Rate:
    """A share of teachers with its exact 95 % interval."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.count / self.of if self.of else float("nan")

    @property
    def ci(self) -> tuple[float, float]:
        """Clopper and Pearson's."""
        found = binomtest(self.count, self.of).proportion_ci() if self.of else None
        return (float(found.low), float(found.high)) if found else (0.0, 1.0)

    def above(self, alpha: float) -> float:
        """p that the true share is at most alpha."""
        return float(binomtest(self.count, self.of, alpha, alternative="greater").pvalue) if self.of else 1.0
