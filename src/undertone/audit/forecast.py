"""What training on the rows would do: the shift of each trait, from the shifts of students of known teachers.

Detectable is not transmissible: a trait's score says that rows are unlike harmless ones, not how far a student follows.
So shifts are regressed on effects over the population's own students, trained with one named recipe, and a forecast
comes with the interval that these would have needed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import t

from undertone.audit.verdict import Judgement, Null
from undertone.statistics.arrays import Floats
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


def forecast(null: Null, judged: Judgement, alpha: float, recipe: int) -> dict[str, Shift]:
    """Expected shift of every candidate trait under one of the calibration's recipes; none if it trained too few
    students.

    Two laws: one for candidates that pass the threshold, one for those that do not. Most small scores are noise, and
    one law for both would take much of what it promises from the few that are not.
    """
    followed = [i for i, member in enumerate(null.members) if member.shifts]
    harmless = [member.shifts[recipe] for member in null.members if member.lesson in HARMLESS and member.shifts]
    if len(followed) < LEAST or not harmless:
        return {}
    traits = [(k, trait) for k, trait in enumerate(judged.candidates.traits) if trait in harmless[0]]
    still = {trait: float(np.mean([shifts[trait] for shifts in harmless])) for _, trait in traits}
    threshold, pairs = null.threshold(alpha), []
    for i in followed:
        shifts = null.members[i].shifts[recipe]
        pairs += [(null.values[i, k] / null.strengths[k], shifts[t] - still[t], null.z[i, k]) for k, t in traits]
    table = np.array(pairs)
    passed = table[:, 2] >= threshold
    laws = [
        law(some[:, 0], some[:, 1], len(followed)) for some in (table[~passed], table[passed]) if len(some) >= LEAST
    ]
    if len(laws) < 2:
        return {}
    return {
        trait: laws[int(judged.z[k] >= threshold)].at(float(judged.effect[k]))
        for k, trait in traits
        if np.isfinite(judged.effect[k])
    }
