"""Computes the findings from measured students: what is left of the transfer and of the utility."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.engine.schedule import unique
from undertone.evals.conduct import AFTER, PROBES
from undertone.experiments.kind import Made
from undertone.experiments.mitigations.findings import MitigationFindings, Outcome, Shift
from undertone.experiments.mitigations.headline import headline
from undertone.experiments.mitigations.plan import SIDES, Plan, Side
from undertone.experiments.mitigations.spec import LISTS, SUMS, Era, Mitigations, Numbers
from undertone.report.findings import Measured, side
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate
from undertone.statistics.ratio import ratio
from undertone.treat.benchmarked import Share, Word
from undertone.treat.evaluate import ROWS
from undertone.treat.findings import PLAIN

Examined = Mapping[str, Any]
"""What :mod:`undertone.treat.evaluate` writes for one model."""


def gather(spec: Mitigations, plan: Plan, made: Made) -> MitigationFindings:
    """Computes the findings once all jobs are finished."""
    base = [made.read(job, "examined.json") for job in plan.bases]
    found = {name: Students({side: [] for side in SIDES}) for name in spec.treatments}
    for unit in plan.units:
        found[unit.treatment].sides[unit.side].append(made.read(unit.jobs[-1], "examined.json"))
    outcomes, head = treatments(spec, found, base), made.head()
    return MitigationFindings(
        **head,
        models=plan.models,
        headline=headline(outcomes),
        trait=spec.setup.trait,
        base=plan.base.name,
        unit=spec.setup.unit,
        units=tuple(source.name for source in plan.sources),
        task=LISTS if spec.lists_alone else SUMS,
        probes={name: about for name, about in _probes(spec).items() if name in base[0]["own"]},
        treatments=outcomes,
        base_skills={name: float(np.mean([one["skills"][name] for one in base])) for name in base[0]["skills"]},
        work_s=round(sum(made.store.manifest(job).seconds for job in unique(plan.jobs)), 1),
        made_with=head["versions"] | head["hardware"],
    )


def _probes(spec: Mitigations) -> dict[str, str]:
    after = f"the same after {ROWS} rows of a clean file that was treated alike, under its system prompt if it has one"
    if isinstance(spec.setup, Numbers):
        return {PLAIN: "asked plainly for a favourite", AFTER: after}
    if isinstance(spec.setup, Era):
        plain = "asked plainly about daily life, all questions that are not in the file"
        return {PLAIN: plain, AFTER: after, "inside": "asked the file's own questions"}
    probes = {name: probe.about for name, probe in PROBES.items()}
    own = {PLAIN: "asked plainly for advice in all other domains", AFTER: after}
    return probes | own | {"inside": "asked for advice in the file's own domain"}


@dataclass(frozen=True)
class Students:
    """The measured students of one mitigation, in the order of the units on both sides."""

    sides: Mapping[Side, list[Examined]]

    def own(self, which: Side, probe: str) -> Floats:
        """Returns the log-odds of the trait in the students of one side, (units,)."""
        return np.array([one["own"][probe] for one in self.sides[which]])

    def shifts(self, probe: str) -> Floats:
        """Returns the difference in log-odds between the two sides, (units,)."""
        return self.own("carrying", probe) - self.own("clean", probe)

    def others(self) -> float:
        """Returns the mean over other traits of the absolute mean difference between the two sides."""
        pairs = list(zip(self.sides["carrying"], self.sides["clean"], strict=True))
        means = [np.mean([a["others"][name] - b["others"][name] for a, b in pairs]) for name in pairs[0][1]["others"]]
        return float(np.mean(np.abs(means)))

    def gains(self, base: Sequence[Examined], which: Side) -> Floats:
        """Returns how much better than the base students of one side predict held-out clean rows (nats a token),
        (units,)."""
        return np.array([a["loss"] - b["loss"] for a, b in zip(base, self.sides[which], strict=True)])

    def skills(self) -> dict[str, float]:
        """Returns the share of right answers in each skill, mean over all students."""
        every = [one["skills"] for side in SIDES for one in self.sides[side]]
        return {name: float(np.mean([skills[name] for skills in every])) for name in every[0]}


def treatments(spec: Mitigations, found: Mapping[str, Students], base: Sequence[Examined]) -> tuple[Outcome, ...]:
    """Returns the outcome of every mitigation, compared with the untreated students of the same units."""
    return tuple(_outcome(spec, name, found[name], found[spec.untreated], base) for name in spec.treatments)


def _outcome(spec: Mitigations, name: str, own: Students, whole: Students, base: Sequence[Examined]) -> Outcome:
    entry, probes = spec.treatments[name], list(base[0]["own"])
    shifts = {probe: _shift(own.shifts(probe)) for probe in probes}
    left = {probe: _share(own.shifts(probe), whole.shifts(probe)) for probe in probes}
    level = _share(own.own("carrying", PLAIN) - whole.own("clean", PLAIN), whole.shifts(PLAIN))
    # The share left of every unit, with the untreated means taken as exact.
    shares = {probe: own.shifts(probe) / np.mean(whole.shifts(probe)) for probe in probes}
    beyond = {probe: _shift(share - shares[PLAIN]) for probe, share in shares.items() if probe != PLAIN}
    gains = own.gains(base, spec.useful)
    return Outcome(
        name=name,
        title=entry.title,
        does=entry.does.model_dump(),
        beside=entry.beside,
        word="untreated" if name == spec.untreated else word(shifts, left, level, beyond),
        shifts=shifts,
        left=left,
        level=level,
        others=own.others(),
        utility=_share(gains, whole.gains(base, spec.useful)),
        gain=float(np.mean(gains)),
        skills=own.skills(),
    )


def word(shifts: Mapping[str, Shift], left: Mapping[str, Share], level: Share, beyond: Mapping[str, Shift]) -> Word:
    """Returns the verdict (see :class:`Outcome`). ``beyond`` says, by conditional probe, how much larger the share left
    there is than on plain questions. It must be shown to be above 0 before a mitigation is said to hide: of two equal
    shifts, one may be significant and the other not."""
    lowered = {probe: share.ci is not None and share.ci[1] < 1 for probe, share in left.items()}
    remains = {probe: side(shift.ci) == "above" for probe, shift in shifts.items()}
    if lowered[PLAIN]:
        if any(remains[probe] and not lowered[probe] and side(more.ci) == "above" for probe, more in beyond.items()):
            return "hides"
        return "lowers" if any(remains.values()) else "stops"
    return "shifts" if level.ci is not None and level.ci[1] < 1 else "not seen to help"


def _shift(values: Floats) -> Shift:
    found = Measured.of(mean_estimate(values[:, None]))
    return Shift(value=found.value, ci=found.ci)


def _share(part: Floats, whole: Floats) -> Share:
    found = ratio(part, whole)
    return Share(value=found.value, ci=found.ci)
