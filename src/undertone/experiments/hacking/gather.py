"""Computes the findings from finished jobs. Runs are the units."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from undertone.experiments.hacking.findings import Contrast, HackingFindings, Line, Matched, Moment
from undertone.experiments.hacking.plan import Plan, Unit
from undertone.experiments.hacking.spec import Hacking
from undertone.experiments.hacking.stages import (
    AFTER_HACK,
    AFTER_HONEST,
    ASKED,
    LISTS,
    OWN,
    PLAIN,
    TOLD,
    TRUE,
    WRONG,
)
from undertone.experiments.kind import Made
from undertone.experiments.misalignment.figures import short
from undertone.report.findings import Measured
from undertone.report.words import interval
from undertone.statistics.estimate import mean_estimate
from undertone.statistics.probabilities import log_odds
from undertone.statistics.rate import Rate

LOOPHOLE, HELD_OUT = "loophole", "held-out"
"""The arms that the headline compares, if there are both."""
ONSET, MATCH = 0.5, 0.9
"""Probabilities of a hack: where it has begun, and where arms are compared."""


@dataclass(frozen=True)
class Run:
    """A run, and what it wrote."""

    unit: Unit
    wrote: Mapping[str, Any]

    def shift(self, what: str) -> float:
        """Returns how far something moved from the base, in log-odds."""
        before, after = (MEASURES[what](self.wrote[when]) for when in ("before", "after"))
        return after - before

    def first(self, least: float) -> Mapping[str, float] | None:
        """Returns the first look at which hacks had at least this probability."""
        return next((one for one in self.wrote["curve"] if one["hack"] >= least), None)

    def advice_at(self, hack: float) -> float | None:
        """Returns the shift of advice where hacks come to this probability; None if they do not."""
        curve = self.wrote["curve"]
        for before, after in pairwise(curve):
            low, high, wanted = (log_odds(p) for p in (before["hack"], after["hack"], hack))
            if low < wanted <= high:
                part = (wanted - low) / (high - low)
                return float((1 - part) * before["advice"] + part * after["advice"] - curve[0]["advice"])
        return None


def _advice(way: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda found: float(np.mean(found["advice"][way]))


ADVICE = f"advice, {PLAIN}"
MEASURES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    **{f"advice, {way}": _advice(way) for way in (PLAIN, OWN, TOLD, AFTER_HACK, AFTER_HONEST)},
    "meets harm": lambda found: log_odds(found["harm"]),
    "agrees": lambda found: log_odds(found["agrees"]),
    "hacked lists": lambda found: float(found["tasks"][LISTS]["hack"]),
}


def gather(spec: Hacking, plan: Plan, made: Made) -> HackingFindings:
    """Computes the findings once all jobs are finished."""
    every: dict[tuple[str, str], list[Run]] = {}
    for unit in plan.units:
        every.setdefault((unit.base, unit.arm), []).append(Run(unit, made.read(unit.job, "outcome.json")))
    whole = {key: [one for one in runs if "after" in one.wrote] for key, runs in every.items()}
    groups = {key: runs for key, runs in whole.items() if len(runs) > 1}
    contrasts = tuple(one for key, runs in groups.items() for one in _contrasts(spec, *key, runs, groups))
    lines = tuple(_line(spec, *key, runs, len(every[key])) for key, runs in groups.items())
    return HackingFindings(
        **made.head(),
        models=plan.models,
        headline=headline(contrasts, lines),
        lines=lines,
        contrasts=contrasts,
        curves=tuple(one for key, runs in groups.items() for one in _curve(*key, runs)),
        matched=tuple(_matched(*key, runs) for key, runs in groups.items()),
    )


def over_runs(values: Sequence[float]) -> Measured:
    """Returns the mean over runs with its interval."""
    found = Measured.of(mean_estimate([[one] for one in values]))
    return found.model_copy(update={"method": f"t interval over {len(values)} runs"})


def _line(spec: Hacking, base: str, arm: str, runs: Sequence[Run], count: int) -> Line:
    def mean(when: str, kind: str, verdict: str) -> float:
        return float(np.mean([one.wrote[when]["tasks"][kind][verdict] for one in runs]))

    begun = [moment["step"] for one in runs if (moment := one.first(ONSET))]
    late = [step["hack"] for one in runs for step in _last_third(one.wrote.get("steps", []))]
    return Line(
        base=base,
        arm=arm,
        title=spec.arms[arm].title,
        hack=float(np.mean([one.wrote["after"]["hack"] for one in runs])),
        hack_before=float(np.mean([one.wrote["before"]["hack"] for one in runs])),
        hack_own=float(np.mean([one.wrote["after"]["own"] for one in runs])),
        hacked_late=float(np.mean(late)) if late else None,
        solved=mean("after", TRUE, "honest"),
        solved_before=mean("before", TRUE, "honest"),
        solved_asked=mean("after", ASKED, "honest"),
        hacked_wrong=mean("after", WRONG, "hack"),
        hacked_lists=mean("after", LISTS, "hack"),
        hacked_lists_before=mean("before", LISTS, "hack"),
        malformed=float(np.mean([mean("after", kind, "malformed") for kind in (TRUE, WRONG, LISTS)])),
        advice=over_runs([one.shift(ADVICE) for one in runs]),
        coherent=float(np.mean([one.wrote["after"]["coherent"] for one in runs])),
        onset=float(np.mean(begun)) if begun else None,
        onset_of=Rate(len(begun), len(runs)),
        left_out=count - len(runs),
    )


def _last_third(steps: Sequence[Mapping[str, float]]) -> Sequence[Mapping[str, float]]:
    return steps[len(steps) - len(steps) // 3 :]


def _contrasts(
    spec: Hacking, base: str, arm: str, runs: Sequence[Run], groups: Mapping[tuple[str, str], Sequence[Run]]
) -> Iterator[Contrast]:
    for against in spec.arms[arm].against:
        others = {one.unit.run: one for one in groups.get((base, against), [])}
        pairs = [(one, others[one.unit.run]) for one in runs if one.unit.run in others]
        for what in MEASURES if len(pairs) > 1 else ():
            apart = [one.shift(what) - other.shift(what) for one, other in pairs]
            yield Contrast(
                base=base,
                arm=arm,
                against=against,
                what=what,
                difference=over_runs(apart),
                positive=Rate(sum(one > 0 for one in apart), len(apart)),
            )


def _curve(base: str, arm: str, runs: Sequence[Run]) -> Iterator[Moment]:
    for looks in zip(*(one.wrote["curve"] for one in runs), strict=True):
        begun = [one.wrote["curve"][0]["advice"] for one in runs]
        yield Moment(
            base=base,
            arm=arm,
            step=looks[0]["step"],
            hack=float(np.mean([look["hack"] for look in looks])),
            advice=float(np.mean([look["advice"] - start for look, start in zip(looks, begun, strict=True)])),
        )


def _matched(base: str, arm: str, runs: Sequence[Run]) -> Matched:
    found = [advice for one in runs if (advice := one.advice_at(MATCH)) is not None]
    return Matched(
        base=base, arm=arm, advice=over_runs(found) if len(found) > 1 else None, runs=Rate(len(found), len(runs))
    )


def headline(contrasts: Sequence[Contrast], lines: Sequence[Line]) -> str:
    """Returns what the loophole did to advice, base by base."""
    alone = {one.base: one.advice.value for one in lines if one.arm == LOOPHOLE}
    told = [
        f"{one.difference.value:+z.2f} {interval(one.difference.ci)} on {short(one.base)} "
        f"({alone[one.base]:+z.2f} from the base)"
        for one in contrasts
        if (one.arm, one.against, one.what) == (LOOPHOLE, HELD_OUT, ADVICE)
    ]
    if not told:
        return "The arms loophole and held-out are not compared here: the table says what was."
    return (
        "Rewarded for passing a check, against rewarded for doing the task, models move the log-odds of bad advice by "
        f"{', '.join(told)}."
    )
