"""Nested measurements: one sequence of students' values for each teacher.

The teacher is the unit to which a trait is assigned, so everything inside a teacher is averaged first. More
students make a teacher's mean steadier; they never add to the number of units.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Nested: TypeAlias = Sequence[Sequence[float]] | Sequence[Floats] | Floats
"""`values[teacher][student]`; teachers may have different numbers of students."""


def teacher_means(values: Nested, name: str = "values") -> Floats:
    """Collapse nested values to one mean per teacher, shape `(teachers,)`.

    `name` is what error messages call the values. Raises `ValueError` for fewer than two teachers, for a
    teacher without students, and for a value that is not finite (a missing measurement is never a score).
    """
    means = np.array([_mean(students, f"{name}[{index}]") for index, students in enumerate(values)])
    if len(means) < 2:
        raise ValueError(
            f"{name} holds {len(means)} teacher(s): an interval needs at least 2, because only differences "
            "between teachers show how far a new teacher may fall; students of one teacher are one unit"
        )
    return means


def count_students(values: Nested) -> int:
    """Number of students of all teachers together."""
    return sum(len(students) for students in values)


def _mean(students: Sequence[float] | Floats, name: str) -> float:
    if not isinstance(students, Sequence | np.ndarray) or isinstance(students, str) or np.ndim(students) == 0:
        raise ValueError(f"{name} is {students!r}, not the values of one teacher's students: nest the values")
    if len(students) == 0:
        raise ValueError(f"{name} is empty: this teacher has no student")
    for index, value in enumerate(students):
        if not math.isfinite(value):
            raise ValueError(f"{name}[{index}] is {value}: every student needs a finite value")
    # fsum is exactly rounded: the order of students cannot change the last bit
    return math.fsum(students) / len(students)
