"""Shares counted over simulated repetitions, and the Markdown tables that they stand in."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """A share of repetitions, 0 to 1."""

    value: float
    error: float
    """Monte Carlo standard error."""

    @classmethod
    def of(cls, counted: ArrayLike) -> Self:
        """Mean of what was counted, shape `(repetitions,)`: true or false, or a share within the repetition."""
        values = np.asarray(counted, dtype=np.float64)
        return cls(float(values.mean()), float(values.std()) / math.sqrt(len(values)))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} ± {100 * self.error:.1f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
