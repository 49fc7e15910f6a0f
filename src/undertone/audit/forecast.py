"""Forecasts how training on the rows would shift each trait of a student.

A trait that is detected need not be transmitted: its score says that the rows differ from harmless ones, not how far a
student would follow. Therefore the shifts of students of the population's teachers are regressed on the effects of
these teachers, and a forecast has the prediction interval that these students would have needed. All students were
trained with the same recipe.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import t

from undertone.audit.verdict import Judgement, Null
from undertone.statistics.arrays import Floats
from undertone.traits.lessons import HARMLESS

Shift = tuple[float, float, float]
"""Log-odds against a student of harmless rows, and the ends of the 95 % prediction interval for one student."""
LEAST = 20
"""Least number of students, and of pairs of an effect and a shift, from which anything is forecast."""


@dataclass(frozen=True)
class Law:
    """Shift = slope x effect, with the standard deviation sqrt(still ** 2 + (moved x effect) ** 2)."""

    slope: float
    still: float
    moved: float
    students: int

    def at(self, effect: float) -> Shift:
        """Returns the forecast for an effect, in reference teachers."""
        reach = float(t.ppf(0.975, self.students - 3)) * float(np.hypot(self.still, self.moved * effect))
        middle = self.slope * effect
        return middle, middle - reach, middle + reach


def law(effects: Floats, shifts: Floats, students: int) -> Law:
    """Fits the law by maximum likelihood to pairs of an effect and a shift, which come from so many ``students``."""

    def loss(at: Floats) -> float:
        variance = np.exp(2 * at[1]) + np.exp(2 * at[2]) * effects**2
        return float(0.5 * np.sum(np.log(variance) + (shifts - at[0] * effects) ** 2 / variance))

    slope = float(np.sum(effects * shifts)) / max(float(np.sum(effects**2)), 1e-12)
    start = np.array([slope, np.log(np.std(shifts) + 1e-6), -1.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-7}).x
    return Law(float(found[0]), float(np.exp(found[1])), float(np.exp(found[2])), students)


def forecast(null: Null, judged: Judgement, alpha: float, recipe: int) -> dict[str, Shift]:
    """Returns the expected shift of every candidate trait under one of the calibration's recipes; empty if the
    calibration has too few students.

    There is one law for candidates that pass the threshold and one for those that do not. Most small scores are noise,
    and a common law would therefore promise too little for the large ones.
    """
    followed = [i for i, member in enumerate(null.members) if member.shifts]
    harmless = [null.members[i].shifts[recipe] for i in followed if null.members[i].lesson in HARMLESS]
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
    parts = (table[~passed], table[passed])
    if min(map(len, parts)) < LEAST:
        return {}
    laws = [law(part[:, 0], part[:, 1], len(followed)) for part in parts]
    return {
        trait: laws[int(judged.z[k] >= threshold)].at(float(judged.effect[k]))
        for k, trait in traits
        if np.isfinite(judged.effect[k])
    }
