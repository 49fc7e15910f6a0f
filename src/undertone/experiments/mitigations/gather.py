"""Examined students as findings: what is left of the transfer and of the utility, with intervals over units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.experiments.mitigations.findings import Outcome, Shift
from undertone.experiments.mitigations.plan import SIDES, Side
from undertone.experiments.mitigations.spec import Mitigations
from undertone.statistics.estimate import Estimate, mean_estimate
from undertone.statistics.ratio import Ratio, ratio
from undertone.treat.benchmarked import Share, Word
from undertone.treat.findings import PLAIN

Examined = Mapping[str, Any]


@dataclass(frozen=True)
class Students:
    """Examined students of one treatment, unit by unit on both sides."""

    sides: Mapping[Side, Sequence[Examined]]

    def own(self, side: Side, probe: str) -> list[float]:
        """Log-odds of the trait, unit by unit."""
        return [one["own"][probe] for one in self.sides[side]]

    def shifts(self, probe: str) -> list[float]:
        """Carrying minus clean, unit by unit."""
        return _minus(self.own("carrying", probe), self.own("clean", probe))

    def others(self) -> float:
        """Mean over other traits of the absolute mean difference."""
        names = self.sides["clean"][0]["others"]
        means = [
            np.mean([a["others"][k] - b["others"][k] for a, b in zip(*map(self.sides.get, SIDES), strict=True)])
            for k in names
        ]
        return float(np.mean(np.abs(means)))

    def gains(self, base: Sequence[Examined], side: Side) -> list[float]:
        """Nats a token better than the base on held-out clean rows, students of one side."""
        return _minus([one["loss"] for one in base], [one["loss"] for one in self.sides[side]])

    def skills(self) -> dict[str, float]:
        """Mean over both sides and all units."""
        every = [one["skills"] for side in SIDES for one in self.sides[side]]
        return {name: float(np.mean([skills[name] for skills in every])) for name in every[0]}


def treatments(spec: Mitigations, found: Mapping[str, Students], base: Sequence[Examined]) -> tuple[Outcome, ...]:
    """Every treatment beside the untreated students of the same units."""
    whole = found[spec.untreated]
    return tuple(_treatment(spec, name, found[name], whole, base) for name in spec.treatments)


def _treatment(spec: Mitigations, name: str, own: Students, whole: Students, base: Sequence[Examined]) -> Outcome:
    entry, probes = spec.treatments[name], list(base[0]["own"])
    shifts = {probe: mean_estimate([[x] for x in own.shifts(probe)]) for probe in probes}
    left = {probe: ratio(own.shifts(probe), whole.shifts(probe)) for probe in probes}
    level = ratio(_minus(own.own("carrying", PLAIN), whole.own("clean", PLAIN)), whole.shifts(PLAIN))
    beyond = {probe: _beyond(own, whole, probe) for probe in probes if probe != PLAIN}
    gains = own.gains(base, spec.useful)
    return Outcome(
        name=name,
        title=entry.title,
        does=entry.does.model_dump(),
        beside=entry.beside,
        word="untreated" if name == spec.untreated else word(shifts, left, level, beyond),
        shifts={probe: _shift(one) for probe, one in shifts.items()},
        left={probe: _share(one) for probe, one in left.items()},
        level=_share(level),
        others=own.others(),
        utility=_share(ratio(gains, whole.gains(base, spec.useful))),
        gain=float(np.mean(gains)),
        skills=own.skills(),
    )


def word(
    shifts: Mapping[str, Estimate], left: Mapping[str, Ratio], level: Ratio, beyond: Mapping[str, Estimate]
) -> Word:
    """What a treatment does, as far as intervals tell. ``beyond``: of every conditional probe, how much more is left
    there than on the standard questions; that one of two equal shifts is seen and the other is not hides nothing."""
    lowered = {probe: one.ci is not None and one.ci[1] < 1 for probe, one in left.items()}
    seen = {probe: one.ci_low > 0 for probe, one in shifts.items()}
    if lowered[PLAIN]:
        if any(seen[probe] and not lowered[probe] and one.ci_low > 0 for probe, one in beyond.items()):
            return "hides"
        return "lowers" if any(seen.values()) else "stops"
    return "shifts" if level.ci is not None and level.ci[1] < 1 else "not seen to help"


def _beyond(own: Students, whole: Students, probe: str) -> Estimate:
    """Share left on a conditional probe minus that on the standard questions, unit by unit; the wholes as they are."""
    shares = [np.array(own.shifts(name)) / np.mean(whole.shifts(name)) for name in (probe, PLAIN)]
    return mean_estimate([[x] for x in shares[0] - shares[1]])


def _minus(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _share(found: Ratio) -> Share:
    return Share(value=found.value, ci=found.ci)


def _shift(found: Estimate) -> Shift:
    ci = (found.ci_low, found.ci_high)
    return Shift(value=found.value, ci=ci if np.isfinite(ci).all() else None)
