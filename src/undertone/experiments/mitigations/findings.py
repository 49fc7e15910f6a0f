"""What a benchmark of mitigations found, as data: the one object of ``report.json``."""

from typing import Any

from undertone.report.findings import Interval, Part, RunFindings
from undertone.treat.benchmarked import Share, Word


class Shift(Part):
    """Students of files that carry the trait minus students of clean files; log-odds."""

    value: float
    ci: Interval | None
    """None where units do not vary."""


class Outcome(Part):
    """What one mitigation does, over all units; both sides of a comparison are treated alike."""

    name: str
    title: str
    does: dict[str, Any]
    beside: str | None
    """The mitigation that does as much at random."""
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


class MitigationFindings(RunFindings):
    """A benchmark of mitigations."""

    models: dict[str, str]
    """Digests of the models, by name."""
    headline: str
    """Which of them are shown to work."""
    trait: str
    """What is to be stopped."""
    base: str
    """The model that students start from."""
    unit: str
    """What one unit is."""
    units: tuple[str, ...]
    """All units by name."""
    task: str
    """What the data are for, and how that is measured."""
    probes: dict[str, str]
    """What each asks."""
    treatments: tuple[Outcome, ...]
    """Every mitigation, in the recipe's order."""
    base_skills: dict[str, float]
    """Share of right answers of the untouched base."""
    work_s: float
    """Seconds of all workers together, whenever they were: artifacts are made once."""
    made_with: dict[str, str]
    """Versions and hardware together."""

    def outcome(self, name: str) -> Outcome:
        """What the mitigation of that name does."""
        return next(one for one in self.treatments if one.name == name)
