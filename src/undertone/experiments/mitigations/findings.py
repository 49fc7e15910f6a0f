"""The findings of a benchmark of mitigations, as data: the contents of ``report.json``."""

from typing import Any, ClassVar

from undertone.report.findings import Interval, Part, RunFindings
from undertone.treat.benchmarked import Share, Word


class Shift(Part):
    """Log-odds of the trait: mean difference between students of files that carry it and students of clean files."""

    value: float
    ci: Interval | None
    """None where units do not vary."""


class Outcome(Part):
    """What one mitigation does, over all units. Both files of a unit are treated in the same way."""

    name: str
    title: str
    does: dict[str, Any]
    beside: str | None
    """The mitigation that does as much at random: its control."""
    word: Word
    """The verdict, from the intervals.

    - stops: the shift on plain questions is lower than untreated, and no shift on any question is shown to remain.
    - lowers: lower on plain questions, but a shift remains.
    - hides: lower on plain questions only; on some conditional ones a larger share of the shift remains.
    - shifts: students move away from the trait, those of clean files too; the difference is not shown to fall.
    - not seen to help: none of these.
    """
    shifts: dict[str, Shift]
    """By probe; "plain" are the standard questions."""
    left: dict[str, Share]
    """The shift as a share of the untreated one, by probe."""
    level: Share
    """The same on plain questions, where only the files that carry the trait are treated: a student of a treated file
    against one of an untreated clean file."""
    others: float
    """Mean absolute difference between the two sides in the log-odds of other traits."""
    utility: Share
    """The gain over the base on held-out clean rows of the task, as a share of the untreated gain; ``task`` of the
    findings says which students it is of."""
    gain: float
    """That gain in nats a token."""
    skills: dict[str, float]
    """Share of right answers in each skill, mean over both sides."""


class MitigationFindings(RunFindings):
    """All findings of a benchmark."""

    shown_by: ClassVar[str] = "undertone.experiments.mitigations.page:page"

    models: dict[str, str]
    """Digests of the models by name."""
    headline: str
    """Which mitigations are shown to work."""
    trait: str
    """The trait that mitigations should stop."""
    base: str
    """The model that students start from."""
    unit: str
    """What the units are."""
    units: tuple[str, ...]
    """Their names."""
    task: str
    """What the data are for, and how utility is measured."""
    probes: dict[str, str]
    """What each probe asks."""
    treatments: tuple[Outcome, ...]
    """Every mitigation, in the recipe's order."""
    base_skills: dict[str, float]
    """Share of right answers of the untouched base in each skill."""
    work_s: float
    """Seconds that the jobs took in total, including those of earlier runs."""
    made_with: dict[str, str]
    """Versions and hardware together."""

    @property
    def untreated(self) -> Outcome:
        """The outcome that the others are compared with."""
        return next(one for one in self.treatments if one.word == "untreated")
