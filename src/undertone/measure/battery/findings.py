"""What a battery found, as data: the single object of ``report.json``."""

from datetime import datetime
from typing import ClassVar, Literal

from undertone.persona.findings import Verdict
from undertone.report import findings as report
from undertone.report.findings import Interval, Measured, Part

Method = Literal["says", "does"]
Word = Literal["more", "less", "alike", "open", "not measured"]
"""More or less of the high pole than the base; "alike": such a change is ruled out; "open": it is not."""
Name = Literal[
    "says the opposite",
    "does not say so",
    "saying not told",
    "says so",
    "says only",
    "not told",
    "acts alike",
    "alike",
]
"""How what a model says of itself goes with what it does. "saying not told": what it does changed, and of what it says
that cannot be told; "not told": of what it does it cannot be told."""


class Witness(Part):
    """How far a model is from its base by one method."""

    method: Method
    word: Word
    why: str
    """Why nothing can be told; empty if it can."""
    base: float
    """Probability of the high pole (0 to 1), given that one of the two is chosen."""
    model: float
    shift: Measured
    """Of the log-odds of the high pole."""
    keys: dict[str, float]
    """The shift in each form of the questions about itself that is answered, such as plain and reversed ones. Empty for
    situations."""
    either: float
    """Probability that the model gives one of the known answers."""
    either_of_base: float


class Inside(Part):
    """How far hidden states moved along the trait's direction."""

    direction: str
    share: float
    """Towards the high pole, as a share of the way that stating the trait takes the base."""
    verdict: Verdict
    """Whether they moved towards the trait that the direction is named by."""


class Context(Part):
    """The shift of the log-odds of the high pole in one context."""

    name: str
    says: float
    does: float


class TraitFinding(Part):
    """One trait of one model."""

    model: str
    trait: str
    high: str
    low: str
    name: Name
    says: Witness
    does: Witness
    inside: Inside | None = None
    """None if no system prompt states the trait, or the model's blocks cannot be found."""
    contexts: tuple[Context, ...] = ()

    @property
    def moved(self) -> str:
        """The pole that what it does, or else what it says, moved towards; empty if neither did."""
        word = self.does.word if self.does.word in ("more", "less") else self.says.word
        return {"more": self.high, "less": self.low}.get(word, "")


class Correlation(Part):
    """A correlation over models between two shifts."""

    value: float | None
    """None where one of the two does not vary."""
    ci: Interval | None


class Pair(Part):
    """Two methods that read traits."""

    methods: tuple[str, str]
    same: Correlation
    """Mean correlation of the same trait by these two methods: whether they agree."""
    other: Correlation
    """Mean correlation of different traits: what the methods share whatever the trait."""
    traits: dict[str, Correlation]
    """Of each trait with itself."""
    nearest: dict[str, str]
    """For each trait by the first method, the trait by the second that goes with it most."""


class BatteryFindings(report.Findings):
    """A battery of traits."""

    written_by: ClassVar[str] = "measure"
    shown_by: ClassVar[str] = "undertone.measure.battery.page:page"
    table: ClassVar[str] = "traits"

    headline: str
    models: dict[str, str]
    """Digests by name, the base's last."""
    base: str
    traits: tuple[TraitFinding, ...]
    agreement: tuple[Pair, ...]
    """How methods and traits go together over models; empty for fewer than five."""
    notes: tuple[str, ...]
    started: datetime
    wall_s: float
    made_with: dict[str, str]
