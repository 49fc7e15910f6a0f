"""Distances between distributions of answers."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from undertone.statistics.nested import Floats

Answer = TypeVar("Answer")
Distribution: TypeAlias = Mapping[Answer, float] | Sequence[float] | Floats

_SUM_TOLERANCE = 1e-4  # a softmax in single precision over a large vocabulary is off by this much at most


def total_variation(p: Distribution[Answer], q: Distribution[Answer]) -> float:
    """Total-variation distance, from 0 (equal) to 1 (no answer in common): half the sum of |p - q|.

    Both are mappings from answer to probability, where a missing answer has probability 0, or both arrays
    of shape `(answers,)` in the same order. Raises `ValueError` for a mapping beside an array, differing
    shapes, a probability that is negative or not finite, or a sum that is not 1 within 0.0001.
    """
    if isinstance(p, Mapping) and isinstance(q, Mapping):
        # a dictionary, not a set: its order, and so the rounding of the sum, does not depend on hashes
        answers = dict.fromkeys([*p, *q])
        return _distance([p.get(x, 0.0) for x in answers], [q.get(x, 0.0) for x in answers])
    if isinstance(p, Mapping) or isinstance(q, Mapping):
        raise ValueError("p and q must both be mappings or both be arrays")
    return _distance(p, q)


def _distance(p: Sequence[float] | Floats, q: Sequence[float] | Floats) -> float:
    first, second = _checked(p, "p"), _checked(q, "q")
    if first.shape != second.shape:
        raise ValueError(f"p has {first.size} answers and q {second.size}: both need the same answers")
    return min(1.0, math.fsum(np.abs(first - second)) / 2)


def _checked(values: Sequence[float] | Floats, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} axes: a distribution has one, over answers")
    wrong = array[~(np.isfinite(array) & (array >= 0))]
    if wrong.size:
        raise ValueError(f"{name} holds {wrong[0]}, which is not a probability")
    total = math.fsum(array)
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(f"{name} sums to {total:.6g}, not to 1")
    return array
