"""What a benchmark of treatments, or a realignment, found, as data; a report shows nothing that is not in here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from undertone.audit.findings import Interval, Part, Report

PLAIN = "plain"
"""The standard questions, among probes."""

Word = Literal["untreated", "hides", "shifts", "stops", "lowers", "not seen to help"]


class Share(Part):
    """What is left of something, as a share of it untreated: 1 is all."""

    value: float
    ci: Interval | None
    """None: unbounded, since what it is a share of is not told apart from zero."""


class Shift(Part):
    """Students of files that carry the trait minus students of clean files; log-odds."""

    value: float
    ci: Interval | None
    """None where units do not vary."""


class Treatment(Part):
    """One treatment, over all units; both sides of a comparison are treated alike."""

    name: str
    title: str
    does: dict[str, Any]
    beside: str | None
    """The treatment that does as much at random."""
    word: Word
    """What it does, by intervals: hides (lowers the transfer on standard questions, and not on some conditional
    ones, where more is left); shifts (moves students of clean files as well, and the difference between them is not
    seen to fall); stops (told apart from the untreated one, and from none on no question); lowers; or not seen to
    help."""
    shifts: dict[str, Shift]
    """By probe; "plain" are the standard questions."""
    left: dict[str, Share]
    """Transfer left, by probe."""
    level: Share
    """The same on standard questions where the clean side is not treated: how a student of the treated file stands
    beside one of a clean file that nobody thought of treating."""
    others: float
    """Other traits: mean absolute difference between the sides, log-odds."""
    utility: Share
    """Utility left: gain over the base on held-out clean rows of the task, nats a token; ``task`` says whose."""
    gain: float
    """That gain in nats a token."""
    skills: dict[str, float]
    """Share of right answers, mean over both sides."""


class Findings(Report):
    """A benchmark of treatments."""

    verb: ClassVar[str] = "bench treat"

    recipe: str
    title: str
    headline: str
    trait: str
    base: str
    unit: str
    """What one unit is."""
    units: tuple[str, ...]
    task: str
    """What the data are for, and how that is measured."""
    probes: dict[str, str]
    """What each asks."""
    treatments: tuple[Treatment, ...]
    base_skills: dict[str, float]
    started: datetime
    work_s: float
    """Seconds of all workers together, whenever they were: artifacts are made once."""
    settings: dict[str, Any]
    models: dict[str, str]
    made_with: dict[str, str]
    """Versions and hardware."""

    def treatment(self, name: str) -> Treatment:
        """One treatment by name."""
        return next(one for one in self.treatments if one.name == name)


class Way(Part):
    """One way to bring a model back; shares are of the model as it was trained."""

    name: str
    title: str
    does: dict[str, Any]
    shift: float
    """Log-odds of the trait above the base's, on standard questions."""
    left: float
    conditional: float | None
    """The same share after rows of the training file; None where none was given."""
    gain: float
    """Nats a token better than the base on the task."""
    utility: float | None
    """None where the model as trained is no better at the task than its base: there is nothing to keep."""
    skills: dict[str, float]


class Realigned(Report):
    """A realignment."""

    verb: ClassVar[str] = "realign"

    headline: str
    model: str
    base: str
    trait: str
    task: str
    ways: tuple[Way, ...]
    """First the model as it was trained."""
    note: str | None
    """What could not be tried, and why."""
    started: datetime
    models: dict[str, str]
    made_with: dict[str, str]
