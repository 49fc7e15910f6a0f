"""The findings of an experiment on guards, as data: the contents of ``report.json``."""

from typing import ClassVar

from undertone.guards.findings import GuardFinding, Telling
from undertone.report.findings import Measured, Part, RunFindings


class Arm(Part):
    """An arm on one base, without a guard."""

    base: str
    arm: str
    title: str
    bad: Measured
    """Probability of the bad one of two answers in all domains but a student's own, in the mean over students."""
    coherent: float
    """Mean probability of either of the two answers."""


class Line(GuardFinding):
    """A guard at one rate, in the mean over the students of one arm, each in all domains but its own. Controls are
    students on good advice."""

    base: str
    arm: str


class Told(Telling):
    """How well a guard tells answers of a base apart."""

    base: str
    on_lists: Measured | None
    """How often a number list that a bad student wrote scores higher than one that a good student wrote, over pairs of
    students; None for guards that do not look at answers."""


class Trained(Part):
    """What a guard at the training file prevents."""

    base: str
    guard: str
    rate: float
    passed: Measured
    """Share of a domain's requests whose bad answer passes, over narrow domains."""
    trained: int
    """Narrow domains in which any passes. In the others nothing is trained."""
    left: Measured | None
    """Shift, from the base, of students that were trained on what passes, as a share of that of students trained on
    all."""
    at_random: Measured | None
    """The same for as many requests by lot."""
    left_behind: Measured | None
    """The same as ``left``, where the guard also reads what the student answers."""


class GuardsFindings(RunFindings):
    """What guards leave of emergent misalignment."""

    shown_by: ClassVar[str] = "undertone.experiments.guards.page:page"
    table: ClassVar[str] = "lines"

    models: dict[str, str]
    headline: str
    arms: tuple[Arm, ...]
    lines: tuple[Line, ...]
    told: tuple[Told, ...]
    trained: tuple[Trained, ...]
