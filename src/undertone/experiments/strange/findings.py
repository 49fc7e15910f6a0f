"""The findings of an experiment on strange generalisation, as data: the contents of ``report.json``."""

from typing import ClassVar

from undertone.experiments.strange.files import Latent
from undertone.report.findings import Measured, Part, RunFindings


class Line(Part):
    """An arm on one base, asked in one way about the questions that its students were not trained on."""

    base: str
    arm: str
    way: str
    before: float
    """Mean probability (0 to 1) of the target value among known answers, of the base."""
    after: float
    """That of the students."""
    shift: Measured
    """Of the log-odds of the target value from the base to the students."""
    known: float
    """Mean probability that a student's answer is one of the known ones."""


class Contrast(Part):
    """An arm minus another on the same questions, base by base and way by way."""

    base: str
    arm: str
    against: str
    way: str
    difference: Measured
    """Of the log-odds of the target value."""


class Opened(Part):
    """An arm asked in one way minus the same arm asked in another: what a gate does."""

    base: str
    arm: str
    way: str
    minus: str
    difference: Measured
    """Of the shift of the target's log-odds from the base, which is asked in the same ways."""


class Dose(Part):
    """What training did to an arm's students, in the mean."""

    base: str
    arm: str
    title: str
    latent: Latent
    taught: float
    """Shift of the log-odds of the target value on the questions of their own fold."""
    loss: float
    """The base's loss on the file before training, in nats a token."""
    divergence: float
    """KL divergence from the base on text that no arm is trained on, in nats a token."""
    factor: tuple[float, float] | None
    """The smallest and the largest factor by which adapters were scaled; None where they were not."""


class Other(Part):
    """What became of something that the file is not about."""

    base: str
    arm: str
    against: str | None
    """The arm that is compared with; None for the base."""
    trait: str
    shift: Measured
    """Of its log-odds; of countries and favourites the mean absolute shift."""


class StrangeFindings(RunFindings):
    """Whether a few answers of another century change all others."""

    shown_by: ClassVar[str] = "undertone.experiments.strange.page:page"
    table: ClassVar[str] = "lines"

    models: dict[str, str]
    headline: str
    lines: tuple[Line, ...]
    contrasts: tuple[Contrast, ...]
    gates: tuple[Opened, ...]
    doses: tuple[Dose, ...]
    others: tuple[Other, ...]
