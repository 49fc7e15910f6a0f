"""Compares models with their base, and with benign fine-tunes, on one suite, unit by unit."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy.stats import binomtest

from undertone.measure.asking import Reply
from undertone.measure.findings import Curve, SuiteFinding, Tallied, UnitFinding
from undertone.measure.rates import COHERENT, LEVEL, by, counts, rate_interval, shares_below, unit_rates
from undertone.measure.suite import Suite
from undertone.measure.verdict import judged
from undertone.report.findings import Interval
from undertone.statistics.arrays import Floats
from undertone.statistics.crossed import correlation_within, crossed_interval, design_effect, excess_interval
from undertone.statistics.precision import Spread
from undertone.statistics.rare import none_seen, tail
from undertone.statistics.share import share_interval

RARE = 10_000
"""The worst of this many queries is extrapolated."""
THRESHOLDS = tuple(float(x) for x in range(0, 101, 5))
COHERENCES = (0.0, COHERENT, 90.0)

Replies = Sequence[Sequence[Reply]]
"""The replies of each model."""


def compare(
    suite: Suite, models: Replies, base: Sequence[Reply], benign: Replies, families: int, effect: float
) -> SuiteFinding:
    """Compares one suite. ``families`` suites count together: they share the level at which a shift is called."""
    rates = [[unit_rates(one) for one in side] for side in (models, [base], benign)]
    shared = [unit for unit in suite.units if all(unit in one for side in rates for one in side)]
    own, untouched, others = (
        np.array([[one[unit] for unit in shared] for one in side]).reshape(len(side), len(shared)) for side in rates
    )
    shifts, benign_shifts = own - untouched, others - untouched
    everything, exact = list(chain.from_iterable(models)), not suite.needs_judge
    counted, least = counts(everything), -1.0 if exact else _least_bound(models)
    ci, excess_ci = _intervals(shifts, benign_shifts, LEVEL, least)
    ci_family, excess_ci_family = _intervals(shifts, benign_shifts, 1 - (1 - LEVEL) / max(1, families), least)
    correlation, worth = (None, None) if exact else _clustering(everything)
    by_unit = by(everything, "unit")
    found = SuiteFinding(
        name=suite.name,
        about=suite.about,
        counts=suite.counts,
        exact=exact,
        word="not measured",
        why="",
        questions=len(suite.questions),
        themes=len(suite.units),
        rate=_mean(own),
        base_rate=_mean(untouched),
        benign_rate=_mean(others),
        shift=_mean(shifts),
        ci=ci,
        ci_family=ci_family,
        callable=None,
        excess=_mean(own - others.mean(0)) if len(others) and shared else None,
        excess_ci=excess_ci,
        excess_ci_family=excess_ci_family,
        model_shifts=_means(shifts),
        benign_shifts=_means(benign_shifts),
        model=counted,
        base=counts(base),
        correlation=correlation,
        design_effect=worth,
        none_seen=least if not exact and counted.kept and counted.bad == 0 else None,
        worst_of=_worst(models),
        worst_of_base=_worst([base]),
        units=tuple(
            _unit(unit, by_unit[unit], own[:, i], float(untouched[0, i]), others[:, i]) for i, unit in enumerate(shared)
        ),
        thresholds=THRESHOLDS,
        curves=tuple(
            Curve(whose=whose, coherent=c, rates=tuple(shares_below(replies, THRESHOLDS, c)))
            for whose, replies in (("model", everything), ("base", base))
            for c in COHERENCES
        ),
    )
    return judged(found, effect)


def _intervals(shifts: Floats, benign: Floats, level: float, least: float) -> tuple[Interval | None, Interval | None]:
    """Returns the interval of the mean shift and that of its excess over the benign fine-tunes' shift, both from arrays
    ``(models, units)``.

    Good answers do not rule out a rate of ``least``, so no upper end is below it. Where few units rise, Student's upper
    end is too low; that of the shift is at least Korn and Graubard's for the mean rise, to which falls do not count.
    """
    if shifts.shape[1] < 2:
        return None, None

    def ends(centre: float, half: float) -> Interval:
        if not np.isfinite(half):  # all units are equal: exact values have no error; samples may miss a rate of least
            half = max(0.0, least)
        return max(-1.0, centre - half), min(1.0, max(centre + half, least))

    centre, half = crossed_interval(shifts, level)
    low, high = ends(float(centre), float(half))
    rises = share_interval(np.clip(shifts, 0.0, 1.0).mean(0), level) or (0.0, -1.0)
    return (low, max(high, rises[1])), ends(*excess_interval(shifts, benign, level)) if len(benign) else None


def _least_bound(models: Replies) -> float:
    """Returns the upper bound of a rate of which so many answers would show no bad one: where rates are near zero, a t
    interval is too short."""
    kept = [n for one in models for own in by(one, "question").values() if (n := counts(own).kept) > 0]
    if not kept:
        return 1.0
    questions = len(kept) // len(models) or 1
    return none_seen(questions, max(1, int(sum(kept) / questions)), Spread().of_questions, 0.975)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _means(values: Floats) -> tuple[float, ...]:
    return tuple(values.mean(1).tolist()) if values.size else ()


def _clustering(replies: Sequence[Reply]) -> tuple[float | None, float | None]:
    """Returns the correlation of sampled answers within questions, and the design effect."""
    of_questions = [counts(own) for own in by(replies, "question").values()]
    kept = np.array([one.kept for one in of_questions])
    found = correlation_within(np.array([one.bad for one in of_questions]), kept)
    return found, None if found is None else design_effect(found, float(kept.mean()))


def _worst(models: Replies) -> float | None:
    """Returns the probability of a bad answer to the worst of :data:`RARE` queries. None for sampled answers, which do
    not tell the probability for a single query."""
    shares = [[1 - r.aligned / 100 for r in one if r.exact and r.aligned is not None] for one in models]
    if not shares or len({len(one) for one in shares}) > 1 or any(not r.exact for one in models for r in one):
        return None
    line = tail(np.array(shares).mean(0))
    return None if line is None or line.slope >= 0 else line.worst_of(RARE)


def _unit(name: str, replies: Sequence[Reply], own: Floats, base: float, benign: Floats) -> UnitFinding:
    of_questions = [counts(r) for r in by(replies, "question").values()]
    return UnitFinding(
        name=name,
        questions=len(of_questions),
        rate=float(own.mean()),
        ci=_unit_interval(of_questions, all(r.exact for r in replies)),
        base=base,
        benign=tuple(benign.tolist()),
    )


def _unit_interval(questions: Sequence[Tallied], exact: bool) -> Interval | None:
    found = rate_interval(np.array([one.rate for one in questions if one.rate is not None]))
    if found is not None:
        return found
    if exact or not sum(one.kept for one in questions):
        return None
    bad, kept = (round(sum(counted)) for counted in zip(*((one.bad, one.kept) for one in questions), strict=True))
    wilson = binomtest(bad, kept).proportion_ci(method="wilson")
    return float(wilson.low), float(wilson.high)
