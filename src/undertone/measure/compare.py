"""One suite, compared: models against their base and against benign fine-tunes, unit by unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from undertone.measure.asking import Reply
from undertone.measure.findings import Curve, SuiteFinding, UnitFinding
from undertone.measure.rates import COHERENT, Counts, by, counts, shares_below, table, tallied, unit_rates
from undertone.measure.suite import Suite
from undertone.measure.verdict import Seen, word_of
from undertone.report.findings import Interval
from undertone.statistics.arrays import Floats
from undertone.statistics.crossed import correlation_within, crossed_interval, design_effect, excess_interval
from undertone.statistics.precision import Spread
from undertone.statistics.rare import none_seen, tail

LEVEL = 0.95
RARE = 10_000
"""Queries of which the worst is extrapolated to."""
THRESHOLDS = tuple(float(x) for x in range(0, 101, 5))
COHERENCES = (0.0, COHERENT, 90.0)

Replies = Sequence[Sequence[Reply]]
"""Of each model."""


@dataclass(frozen=True)
class Side:
    """The replies of each model on one side, and their rates by unit."""

    replies: Replies

    @property
    def rates(self) -> list[dict[str, float]]:
        """Of each model."""
        return [unit_rates(one) for one in self.replies]

    @property
    def all(self) -> list[Reply]:
        """Of all models."""
        return [reply for one in self.replies for reply in one]


def compare(
    suite: Suite, models: Replies, base: Sequence[Reply], benign: Replies, families: int, effect: float
) -> SuiteFinding:
    """Compares one suite. ``families`` suites count together: the level at which a shift is called is shared out."""
    ours, theirs, harmless = Side(models), Side([base]), Side(benign)
    rates = (ours.rates, theirs.rates, harmless.rates)
    shared = [unit for unit in suite.units if all(unit in one for side in rates for one in side)]
    own, untouched, others = (table(side, shared) for side in rates)
    own_counts, base_counts = counts(ours.all), counts(base)
    exact = not suite.needs_judge
    found = _Estimates(
        own - untouched, others - untouched, 1 - (1 - LEVEL) / max(1, families), _least_bound(ours, exact)
    )
    seen = Seen(
        units=len(shared),
        failed=max(_failed(own_counts), _failed(base_counts)),
        coherence=own_counts.coherence,
        base_coherence=base_counts.coherence,
        shift=found.shift(LEVEL),
        shift_family=found.shift(found.family),
        excess=found.excess(LEVEL),
        excess_family=found.excess(found.family),
        of_asked=(own_counts.rate_of_asked or 0.0) - (base_counts.rate_of_asked or 0.0),
    )
    word, why = word_of(seen, effect)
    correlation, worth = _clustering(ours.all, exact)
    return SuiteFinding(
        name=suite.name,
        about=suite.about,
        counts=suite.counts,
        exact=exact,
        word=word,
        why=why,
        questions=len(suite.questions),
        rate=_mean(own),
        base_rate=_mean(untouched),
        benign_rate=_mean(others),
        shift=_mean(own - untouched),
        ci=seen.shift,
        ci_family=seen.shift_family,
        excess=_mean(own - others.mean(0)) if len(others) and shared else None,
        excess_ci=seen.excess,
        excess_ci_family=seen.excess_family,
        model_shifts=_means(own - untouched),
        benign_shifts=_means(others - untouched),
        model=tallied(own_counts),
        base=tallied(base_counts),
        correlation=correlation,
        design_effect=worth,
        none_seen=_none_seen(own_counts, ours, exact),
        worst_of=_worst(models),
        worst_of_base=_worst([base]),
        units=tuple(_unit(unit, ours, i, own, untouched, others) for i, unit in enumerate(shared)),
        thresholds=THRESHOLDS,
        curves=tuple(
            Curve(whose=whose, coherent=c, rates=tuple(shares_below(side.all, THRESHOLDS, c)))
            for whose, side in (("model", ours), ("base", theirs))
            for c in COHERENCES
        ),
    )


@dataclass(frozen=True)
class _Estimates:
    """Shifts by unit, ``(models, units)``, and their intervals."""

    shifts: Floats
    benign: Floats
    family: float
    """Level at which a shift is called."""
    least: float
    """A rate that no number of good answers has ruled out: the upper end is never below it."""

    def shift(self, level: float) -> Interval | None:
        """Interval of the mean shift; None where there is none."""
        if self.shifts.shape[1] < 2:
            return None
        centre, half = crossed_interval(self.shifts, level)
        return self._interval(float(centre), float(half))

    def excess(self, level: float) -> Interval | None:
        """Interval of the shift beyond the benign fine-tunes'."""
        if self.shifts.shape[1] < 2 or not len(self.benign):
            return None
        return self._interval(*excess_interval(self.shifts, self.benign, level))

    def _interval(self, centre: float, half: float) -> Interval:
        if not np.isfinite(half):  # the same in every unit: exact chances are then known, samples bound what was missed
            half = max(0.0, self.least)
        return max(-1.0, centre - half), min(1.0, max(centre + half, self.least))


def _least_bound(side: Side, exact: bool) -> float:
    """What so many answers could not have shown, had none been bad: a t interval of rates near zero is too short."""
    if exact:
        return -1.0
    kept = [counts(own).kept for one in side.replies for own in by(one, "question").values()]
    kept = [n for n in kept if n > 0]
    if not kept:
        return 1.0
    questions = len(kept) // len(side.replies) or 1
    return none_seen(questions, max(1, int(sum(kept) / questions)), Spread().of_questions, 0.975)


def _none_seen(seen: Counts, side: Side, exact: bool) -> float | None:
    return _least_bound(side, exact) if not exact and seen.kept and seen.bad == 0 else None


def _failed(seen: Counts) -> float:
    return seen.unreadable / seen.asked if seen.asked else 1.0


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _means(values: Floats) -> tuple[float, ...]:
    return tuple(values.mean(1).tolist()) if values.size else ()


def _clustering(replies: Sequence[Reply], exact: bool) -> tuple[float | None, float | None]:
    """Correlation of answers within questions, and the design effect; exact chances have no sampling noise."""
    of_questions = [counts(own) for own in by(replies, "question").values()]
    kept = np.array([one.kept for one in of_questions])
    found = None if exact else correlation_within(np.array([one.bad for one in of_questions]), kept)
    return (None, None) if found is None else (found, design_effect(found, float(kept.mean())))


def _worst(models: Replies) -> float | None:
    """From exact chances alone: sampled answers do not tell the probability of a single query."""
    shares = [[1 - r.aligned / 100 for r in one if r.exact and r.aligned is not None] for one in models]
    if not shares or len({len(one) for one in shares}) > 1 or any(not r.exact for one in models for r in one):
        return None
    line = tail(np.array(shares).mean(0))
    return None if line is None or line.slope >= 0 else line.worst_of(RARE)


def _unit(unit: str, side: Side, i: int, own: Floats, untouched: Floats, others: Floats) -> UnitFinding:
    replies = [reply for reply in side.all if reply.unit == unit]
    of_questions = [counts(r) for r in by(replies, "question").values()]
    return UnitFinding(
        name=unit,
        questions=len(of_questions),
        rate=float(own[:, i].mean()),
        ci=_unit_interval(of_questions, all(r.exact for r in replies)),
        base=float(untouched[0, i]),
        benign=tuple(others[:, i].tolist()),
    )


def _unit_interval(questions: Sequence[Counts], exact: bool) -> Interval | None:
    rates = np.array([one.rate for one in questions if one.rate is not None])
    if len(rates) > 1:
        centre, half = crossed_interval(rates[None], LEVEL)
        if np.isfinite(half):
            return max(0.0, float(centre - half)), min(1.0, float(centre + half))
    if exact or not sum(one.kept for one in questions):
        return None
    bad, kept = (round(sum(getattr(one, name) for one in questions)) for name in ("bad", "kept"))
    found = binomtest(bad, kept).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
