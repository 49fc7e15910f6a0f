"""The ratio of two means measured on the same units, with Fieller's interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t


@dataclass(frozen=True)
class Ratio:
    """One mean as a share of another."""

    value: float
    ci: tuple[float, float] | None
    """None where it is unbounded: the interval of the whole includes zero, so the data allow any share of it."""
    units: int


def ratio(part: ArrayLike, whole: ArrayLike, level: float = 0.95) -> Ratio:
    """Returns the mean of ``part`` over the mean of ``whole``, measured on the same units, with Fieller's interval
    (1954, J. R. Stat. Soc. B 16, 175-185): all shares r for which Student's t does not reject that part - r * whole has
    mean zero.

    It is exact for pairs that are jointly normal, whatever their correlation. The set of shares is an interval only
    where ``whole`` alone differs from zero at the same level; otherwise it is unbounded.

    Raises:
        ValueError: there are fewer than two units, different numbers of them, or a value that is not finite.
    """
    x, y = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ValueError(f"a ratio needs two or more pairs, not {x.size} and {y.size} values")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value is not a finite number")
    n = len(x)
    reach = t.ppf((1 + level) / 2, n - 1) ** 2
    (xx, xy), (_, yy) = np.cov(x, y) / n * reach
    a, b, c = y.mean() ** 2 - yy, x.mean() * y.mean() - xy, x.mean() ** 2 - xx
    value = float(x.mean() / y.mean()) if y.mean() else float("nan")
    if a <= 0:
        return Ratio(value, None, n)
    half = np.sqrt(max(0.0, b**2 - a * c)) / a  # only rounding makes it negative: the ratio of means is always inside
    return Ratio(value, (float(b / a - half), float(b / a + half)), n)
