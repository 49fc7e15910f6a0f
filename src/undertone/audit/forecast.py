"""What training on the rows would do: the shift of each trait, from the shifts of students of known teachers.

Detectable is not transmissible: a trait's score says that rows are unlike harmless ones, not how far a student follows.
So shifts are regressed on effects over the population's own students, trained with one named recipe, and a forecast
comes with the interval that these would have needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import t

from undertone.audit.calibration import Calibration
from undertone.audit.verdict import Floats, Judgement, Null
from undertone.traits.lessons import HARMLESS

Shift = tuple[float, float, float]
"""Log-odds against a student of harmless rows, and the 95 % prediction interval for one student."""
LEAST = 20
"""Students below which nothing is forecast."""


@dataclass(frozen=True)
class Law:
    """Shift = slope x effect, with a standard deviation of sqrt(still ** 2 + (moved x effect) ** 2)."""

    slope: float
    still: float
    moved: float
    students: int

    def at(self, effect: float) -> Shift:
        """Forecast for an effect, in reference teachers."""
        reach = float(t.ppf(0.975, self.students - 3)) * float(np.hypot(self.still, self.moved * effect))
        middle = self.slope * effect
        return middle, middle - reach, middle + reach


def law(effects: Floats, shifts: Floats, students: int) -> Law:
    """Maximum likelihood over pairs of effect and shift; ``students`` is how many students they come from."""

    def loss(at: Floats) -> float:
        variance = np.exp(2 * at[1]) + np.exp(2 * at[2]) * effects**2
        return float(0.5 * np.sum(np.log(variance) + (shifts - at[0] * effects) ** 2 / variance))

    slope = float(np.sum(effects * shifts)) / max(float(np.sum(effects**2)), 1e-12)
    start = np.array([slope, np.log(np.std(shifts) + 1e-6), -1.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-7}).x
    return Law(float(found[0]), float(np.exp(found[1])), float(np.exp(found[2])), students)


def forecast(calibration: Calibration, null: Null, judged: Judgement) -> dict[str, Shift]:
    """Expected shift of every candidate trait; none if the calibration trained too few students."""
    followed = [(i, member) for i, member in enumerate(null.members) if member.shifts is not None]
    harmless = [m.shifts for _, m in followed if m.lesson in HARMLESS and m.shifts is not None]
    if len(followed) < LEAST or not harmless:
        return {}
    traits = [trait for trait in judged.candidates.traits if trait in harmless[0]]
    still = {trait: float(np.mean([shifts[trait] for shifts in harmless])) for trait in traits}
    place = {trait: judged.candidates.names.index(trait) for trait in traits}
    effects, shifts = [], []
    for i, member in followed:
        for trait in traits:
            effect = null.values[i, place[trait]] / null.strengths[place[trait]]
            if member.shifts is not None and np.isfinite(effect):
                effects.append(effect)
                shifts.append(member.shifts[trait] - still[trait])
    fitted = law(np.array(effects), np.array(shifts), len(followed))
    known = {trait: judged.effect[place[trait]] for trait in traits}
    return {trait: fitted.at(float(effect)) for trait, effect in known.items() if np.isfinite(effect)}
