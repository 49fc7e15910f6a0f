"""What the students say of transfer that the audit's calibrations were once made with, one of one teacher for each of
43 traits a base.

    python -m benchmarks.calibrated > results/calibrations.json

The shift of a student to its teacher's trait, net of the mean shift to it of students of harmless teachers, or of the
teachers of all other traits, who did learn something. The students were trained for the audit, before anyone asked this
of them; all of them are here, by the recipe that they were trained with.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy import stats

from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate

FILE = Path(__file__).with_name("students_of_43_traits.json")

Control = Literal["harmless", "others"]
"""Whose students a student's shift is net of."""


@dataclass(frozen=True)
class Kept:
    """The students of one base."""

    recipes: list[dict[str, Any]]
    """How they were trained."""
    traits: list[str]
    students: dict[str, list[list[float]]]
    """By lesson of the teacher: for each recipe, the shift of each trait in log-odds."""


def kept() -> dict[str, Kept]:
    """Returns the students by their base."""
    return {base: Kept(**students) for base, students in json.loads(FILE.read_text("utf-8")).items()}


def own_shifts(of: Kept, recipe: int = 0, net_of: Control = "harmless") -> Floats:
    """Returns the shift in log-odds of each trait's student to its own trait, net of those of harmless teachers or of
    the teachers of all other traits, (traits,)."""
    shifts = {lesson: dict(zip(of.traits, each[recipe], strict=True)) for lesson, each in of.students.items()}
    taught = [lesson for lesson in shifts if lesson in of.traits]
    harmless = [lesson for lesson in shifts if lesson not in of.traits]

    def controls(trait: str) -> list[float]:
        own = harmless if net_of == "harmless" else [lesson for lesson in taught if lesson != trait]
        return [shifts[lesson][trait] for lesson in own]

    return np.array([shifts[trait][trait] - np.mean(controls(trait)) for trait in taught])


def described(shifts: Floats) -> dict[str, Any]:
    """Returns the mean over traits with its interval, spread and skewness, and how many traits turn the other way."""
    mean = mean_estimate(shifts[:, None])
    return {
        "mean": {"value": mean.value, "ci": [mean.ci_low, mean.ci_high]},
        "spread": float(shifts.std(ddof=1)),
        "skewness": float(stats.skew(shifts, bias=False)),
        "below": {"count": int((shifts < 0).sum()), "of": len(shifts)},
    }


def main() -> None:
    """Prints the findings for every base, by recipe of training."""
    found = {
        base: [
            {"training": recipe}
            | {f"net_of_{side}": described(own_shifts(students, i, side)) for side in get_args(Control)}
            for i, recipe in enumerate(students.recipes)
        ]
        for base, students in kept().items()
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
