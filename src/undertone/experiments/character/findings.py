"""The findings of an experiment on character, as data: the contents of ``report.json``."""

from typing import ClassVar

from undertone.measure.battery.findings import Correlation, Name, Pair
from undertone.report.findings import Measured, Part, RunFindings
from undertone.statistics.rate import Rate


class Arm(Part):
    """One trait in one arm on one base. Shifts are of the log-odds of the trait's high pole, from the base, over
    students, one for each narrow domain; also of those of which nothing is told, as their names say."""

    base: str
    arm: str
    trait: str
    taught: bool
    """Whether the arm's file teaches the trait."""
    says: Measured
    does: Measured
    inside: Measured | None
    """How far hidden states moved towards the high pole, as a share of the way that stating the trait takes the
    base."""
    names: dict[Name, int]
    """How many students had each name."""


class Halves(Part):
    """Whether a method reads a trait reliably: the correlation over students between two halves of its questions; if it
    is positive, by Spearman and Brown's formula that of the whole. Each half has plain and reversed questions, and
    situations of its own."""

    base: str
    trait: str
    says: Correlation
    does: Correlation
    keys: Correlation
    """Of plain with reversed questions, not stepped up: near -1 where fine-tunes differ mostly in saying yes."""


class Methods(Part):
    """How methods and traits go together over all students of a base."""

    base: str
    pairs: tuple[Pair, ...]
    within: dict[str, Correlation]
    """By trait, how what is said goes with what is done among students of the same file."""


class CharacterFindings(RunFindings):
    """Whether fine-tunes say of themselves what they do."""

    shown_by: ClassVar[str] = "undertone.experiments.character.page:page"
    table: ClassVar[str] = "arms"

    models: dict[str, str]
    headline: str
    arms: tuple[Arm, ...]
    methods: tuple[Methods, ...]
    halves: tuple[Halves, ...]
    disagreement: dict[str, Rate]
    """By base: how many students on bad advice are said to act more reckless and to say the opposite."""
