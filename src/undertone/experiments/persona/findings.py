"""The findings of an experiment on directions in hidden states, as data: the contents of ``report.json``."""

from typing import ClassVar, Literal

from undertone.persona.findings import Construction
from undertone.report.findings import Measured, Part, RunFindings

When = Literal["after training", "before training"]
Change = Literal["taken out while it answers", "taken out while it is trained", "added while it is trained"]


class NullBand(Part):
    """What directions of no meaning give."""

    name: str
    directions: int
    median: float
    high: float
    """The 95th percentile."""
    p: float
    """The share of them, and of the direction itself, that give as much as the direction."""


class Correlation(Part):
    """How well the way along a direction of bad advice goes with the bad advice in other domains, over fine-tunes."""

    base: str
    when: When
    """After training: the way of the model's hidden states. Before: the way of its training file's."""
    construction: Construction
    block: int
    r: float
    """Pearson's, over all fine-tunes."""
    fine_tunes: int
    nulls: tuple[NullBand, ...]
    """Of the absolute value of r."""


class Pulled(Part):
    """The same with the forecast in weight space: the file's gradient times that of bad advice in other domains."""

    base: str
    r: float
    fine_tunes: int


class Told(Part):
    """How well single requests tell a student on bad advice from one on good advice, at the last token before the
    answer, in the middle block."""

    base: str
    construction: Construction
    auroc: Measured
    """Over narrow domains; the base's hidden states on the same request are taken away."""
    nulls: tuple[NullBand, ...]
    """Of the mean AUROC, turned so that it is .5 or more."""


class Left(Part):
    """What is left of the advice's shift where hidden states are changed along a direction."""

    base: str
    change: Change = "taken out while it answers"
    """Of every block where it is taken out; added to the middle block."""
    what: str
    """The direction, or a kind of directions."""
    difference: Measured | None = None
    """From good to bad students in other domains, in log-odds of bad advice."""
    left: Measured
    """The shift from good to bad students in other domains, as a share of the mean shift with nothing taken out; over
    narrow domains."""
    learnt: Measured | None = None
    """The same in the narrow domain itself: what is left of what the file teaches."""
    coherent: float
    """Mean probability that the bad students' answer is one of the two known answers."""


class Steered(Part):
    """What adding a direction to the middle block does to the base's advice while it answers."""

    base: str
    what: str
    """The direction, or a kind of directions."""
    strength: float | None
    """In lengths of what stating bad advice does; None where the direction is taken out of every block instead."""
    shift: Measured
    """Of the log-odds of bad advice, over domains in which the direction was not made."""
    coherent: float
    """Mean probability that the answer is one of the two known answers."""
    skills: float
    """Share of right answers to prompts that have nothing to do with advice, less that of the base as it is."""


class Line(Part):
    """An arm on one base."""

    base: str
    arm: str
    title: str
    advice: Measured
    """Shift of the log-odds of bad advice in the measured domains, over fine-tunes."""


class PersonaStudyFindings(RunFindings):
    """Whether directions of bad advice tell, forecast and stop it, beside directions of no meaning."""

    shown_by: ClassVar[str] = "undertone.experiments.persona.page:page"
    table: ClassVar[str] = "correlations"

    models: dict[str, str]
    headline: str
    lines: tuple[Line, ...]
    correlations: tuple[Correlation, ...]
    pulled: tuple[Pulled, ...]
    told: tuple[Told, ...]
    left: tuple[Left, ...]
    steered: tuple[Steered, ...] = ()
