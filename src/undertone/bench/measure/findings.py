"""What a benchmark of measurements found, as data: the single object of ``report.json``."""

from collections import Counter
from typing import ClassVar, Literal

from undertone.measure.findings import Verdict
from undertone.report.findings import Part, RunFindings
from undertone.statistics.rate import Rate

Side = Literal["choosing", "judging"]
"""The default effect is chosen on fine-tunes of the first side, and judged on those of the second."""


class Judged(Part):
    """Fine-tunes on one lesson, judged at one effect."""

    lesson: str
    effect: float
    verdicts: dict[Verdict, int]
    """How often each verdict was given."""


class BatteryCount(Part):
    """What the battery says of fine-tunes: in how many of them a trait changed, of any that it asks for."""

    worse: Rate
    """What they do moved away from the usual pole: the alarms."""
    better: Rate
    """What they do moved further to the usual pole of a trait, and away from that of none."""
    only_said: Rate | None
    """What they say of themselves changed, and of nothing that they do it is open whether it changed; None if none of
    them answers such questions."""
    open: Rate
    """Of some trait it cannot be told whether what they do changed, and none moved."""


class Group(Part):
    """Fine-tunes of one kind, measured in one way."""

    title: str
    """Which fine-tunes these are, and what they are measured against."""
    side: Side
    judged: tuple[Judged, ...]
    battery: BatteryCount | None = None
    """None if they are measured beside others."""
    inside: Rate | None = None
    """In how many hidden states are said to have moved towards bad conduct; None if they are measured beside others."""

    def at(self, effect: float) -> Counter[Verdict]:
        """Returns how often each verdict was given at this effect, over all lessons."""
        return sum((Counter(one.verdicts) for one in self.judged if one.effect == effect), Counter[Verdict]())


class MeasureBenchmarkFindings(RunFindings):
    """How often each verdict is given to fine-tunes whose training is known."""

    shown_by: ClassVar[str] = "undertone.bench.measure.page:page"

    models: dict[str, str]
    """The digest of the base."""
    effects: tuple[float, ...]
    """The rises that were each taken for a shift."""
    default: float
    """The rise that ``undertone measure`` takes for a shift by default."""
    chosen: float | None
    """The rise that the rule chooses; None if none passes."""
    groups: tuple[Group, ...]
    coverage: tuple[tuple[str, ...], ...]
    """The rows of a simulation of how often intervals cover."""
