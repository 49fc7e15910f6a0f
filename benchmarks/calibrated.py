"""What the shipped calibrations' own students say of transfer: one student of one teacher for each of 43 traits a base.

    python -m benchmarks.calibrated > results/calibrations.json

The shift of a student to its teacher's trait, net of the mean shift to it of students of harmless teachers, or of the
teachers of all other traits, who did learn something. The students were trained for the audit, before anyone asked this
of them; all of them are here, by the recipe that they were trained with.
"""

import json
from typing import Any, Literal, get_args

import numpy as np
from scipy import stats

from undertone.audit import calibrations
from undertone.audit.calibration import Calibration
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate

Control = Literal["harmless", "others"]
"""Whose students a student's shift is net of."""


def shipped() -> dict[str, Calibration]:
    """Returns every shipped calibration, by its base."""
    found = [Calibration.read(path.parent) for path in calibrations.SHIPPED.glob("*/calibration.safetensors")]
    return {one.model.removeprefix("builtin/"): one for one in sorted(found, key=lambda one: one.model)}


def own_shifts(calibration: Calibration, recipe: int = 0, net_of: Control = "harmless") -> Floats:
    """Returns the shift in log-odds of each trait's student to its own trait, net of those of harmless teachers or of
    the teachers of all other traits, (traits,)."""
    members = [(member.lesson, member.shifts[recipe]) for member in calibration.members if member.shifts]
    taught = {lesson: shifts for lesson, shifts in members if lesson in shifts}
    harmless = [shifts for lesson, shifts in members if lesson not in shifts]

    def controls(trait: str) -> list[float]:
        own = harmless if net_of == "harmless" else [shifts for lesson, shifts in taught.items() if lesson != trait]
        return [shifts[trait] for shifts in own]

    return np.array([shifts[trait] - np.mean(controls(trait)) for trait, shifts in taught.items()])


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
    """Prints the findings for every shipped calibration, by base and recipe of training."""
    found = {
        base: [
            {"training": recipe.model_dump(mode="json")}
            | {f"net_of_{side}": described(own_shifts(calibration, i, side)) for side in get_args(Control)}
            for i, recipe in enumerate(calibration.recipes)
        ]
        for base, calibration in shipped().items()
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
