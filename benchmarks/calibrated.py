"""What the shipped calibrations' own students say of transfer: one student of one teacher for each of 43 traits a base.

    python -m benchmarks.calibrated > results/calibrations.json

The shift of a student to its teacher's trait, net of the mean shift of students of harmless teachers to that trait. The
students were trained for the audit, before anyone asked this of them. All that were trained by a calibration's first
recipe, the owl experiment's, are here.
"""

import json
from typing import Any

import numpy as np
from scipy import stats

from undertone.audit import calibrations
from undertone.audit.calibration import Calibration
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate


def shipped() -> dict[str, Calibration]:
    """Returns every shipped calibration, by its base."""
    found = [Calibration.read(path.parent) for path in calibrations.SHIPPED.glob("*/calibration.safetensors")]
    return {one.model.removeprefix("builtin/"): one for one in sorted(found, key=lambda one: one.model)}


def own_shifts(calibration: Calibration) -> Floats:
    """Returns the shift in log-odds of each trait's student to its own trait, net of harmless ones, (traits,)."""
    members = [member for member in calibration.members if member.shifts]
    harmless = [member.shifts[0] for member in members if member.lesson not in member.shifts[0]]
    taught = [member for member in members if member.lesson in member.shifts[0]]
    return np.array([one.shifts[0][one.lesson] - np.mean([other[one.lesson] for other in harmless]) for one in taught])


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
    """Prints the findings for every shipped calibration, by base."""
    print(json.dumps({base: described(own_shifts(calibration)) for base, calibration in shipped().items()}, indent=1))


if __name__ == "__main__":
    main()
