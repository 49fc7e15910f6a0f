"""What an audit found, as data: the single object of ``report.json`` and of ``--json``."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from undertone.audit.unseen import Unseen
from undertone.report import findings as report
from undertone.report.findings import Interval, Part

FARTHEST = 0.25
"""Largest excess surprise of rows that are judged without a control, nats a token. Scores tell what a small change of
the base writes, and what training on it does, to first order. Farther away neither holds, and even a teacher's rows
show nothing once their separators are changed."""

Recipe = dict[str, str | int | float]


class TraitFinding(Part):
    """The result for one trait."""

    name: str
    group: str = ""
    """The source of the rows, if they were grouped."""
    kind: str
    """What it is a trait of, such as animal, tree or conduct."""
    listed: bool
    """Whether it is one of the traits that the audit was asked for. The others are compared with these."""
    effect: float
    """Strength in reference teachers. 1 is what a teacher with the trait, who wrote every row, would add."""
    ci: Interval
    """95 % interval of ``effect``, from how far the traits of the family lie apart."""
    z: float
    """Distance from the median of its family, in robust standard deviations."""
    p: float
    """Probability that any trait of any family has a z as large where none is carried."""
    found: bool
    """Whether z is above the family's threshold."""
    mentions: int = 0
    """How many of the sampled rows mention the trait openly."""


class StrictFinding(Part):
    """What harmless models, who answered the file's prompts, say of a family."""

    members: int
    alarms: int
    """How many of them the threshold alone would accuse."""
    alarms_of_both: int
    """How many of them would be accused by both yardsticks, each judged by the members of other lessons."""
    p: float
    """Share of the members with a z as large as the file's largest, the file itself included."""


class FamilyFinding(Part):
    """How the traits of a family compare."""

    name: str
    group: str = ""
    """The source of the rows, if they were grouped."""
    compared: int
    """Traits that are compared with each other."""
    listed: int
    """How many of the family's traits the audit was asked for."""
    unjudged: str | None = None
    """Why the family could not be judged; None if it was. If it was not, what follows is empty, but for the
    excess surprise and the number of units and of those that are needed."""
    needed: int | None = None
    """How many independent units there must be, if there are too few."""
    missed: tuple[str, ...] = ()
    """Listed traits that could not be judged, because too few rows do not mention them."""
    units: int = 0
    """Independent units of rows."""
    rank: float | None = None
    """Effective rank of the traits' covariance: how many of them differ."""
    spread: float | None = None
    """How far the traits lie apart; 1 is what sampling alone does."""
    threshold: float | None = None
    """The z above which a trait is found."""
    excess_surprise: float | None = None
    """How much less likely a token of the rows is than one that the base itself samples, nats. Above :data:`FARTHEST` a
    trait is found by comparison with a control only and never ruled out: what follows about power is empty. So it is
    where nearly all answers are repeated."""
    stretch: float | None = None
    """The number by which a twin's adapter is multiplied to make a reference teacher of it, who is .05 nats a token
    from the base on these rows, or nearer."""
    power: float | None = None
    """Share of the twins that would have been found at the effect that was asked for."""
    detectable: float | None = None
    """The smallest effect that is found with 80 % power; None if it is above 10."""
    times_needed: int | None = None
    """How many times as many rows would show the effect that was asked for with 80 % power; None if 32 times are not
    enough."""
    curve: tuple[tuple[float, float], ...] = ()
    """Effects, each with its power."""
    strict: StrictFinding | None = None
    """None unless the audit was a strict one."""
    traits: tuple[TraitFinding, ...] = ()
    """The strongest first."""

    @property
    def disputed(self) -> tuple[str, ...]:
        """Traits above the threshold that harmless models show as well, so that they are not found."""
        return tuple(t.name for t in self.traits if self.strict and not t.found and t.z > (self.threshold or 0.0))

    @property
    def far(self) -> bool:
        """Whether the rows are too far from what the base writes for scores to tell what they carry."""
        return (self.excess_surprise or 0.0) > FARTHEST

    @property
    def what(self) -> str:
        """What the listed traits of the family are."""
        return "favourites" if self.name == "favourites" else "conduct-like traits"

    @property
    def words(self) -> str:
        """The same, and of which rows, if they were grouped."""
        return f"{self.what} in {self.group}" if self.group else self.what


class CanaryFinding(Part):
    """What canary students became."""

    name: str
    """The trait."""
    shift: float
    """Its mean shift in students of the rows, against students of the base's own answers, in log-odds."""
    ci: Interval
    """95 % interval of the shift over pairs of students."""


class OriginFinding(Part):
    """Result of the origin test: were the rows written by the base as declared?"""

    claim: str
    """What was declared."""
    p: float
    """Two-sided p value, exact if the claim is true."""
    pairs: int
    """How many rows were compared with a new answer of the base."""
    dropped: int
    """How many rows were left out, because no answer of the base to their prompt passes the filter."""
    rejected: bool
    """Whether p is at or below the audit's alpha."""


class Token(Part):
    """A token of a shown row."""

    text: str
    score: float
    """Log-likelihood ratio of the token (nats): a proxy of the trait against the base."""


class ShownRow(Part):
    """One of the rows with the highest scores for a trait. It is never a verdict on this row."""

    line: int
    """Line of the file."""
    group: str = ""
    """Its source, if rows were grouped; or whether it is a chosen or a rejected answer."""
    trait: str
    score: float
    """Sum over the row's tokens (nats)."""
    prompt: str
    """The turn before the answer."""
    tokens: tuple[Token, ...]


Verdict = Literal["carries a trait", "no evidence", "inconclusive"]


class AuditFindings(report.Findings):
    """What every audit reports."""

    written_by: ClassVar[str] = "audit"

    verdict: Verdict
    headline: str
    """The verdict in a sentence or two."""
    file: str
    digest: str
    """SHA-256 of the file."""
    format: str
    preferences: bool = False
    """Whether its rows have a chosen and a rejected answer."""
    model: str
    rows_in_file: int
    seed: int
    overt: tuple[str, ...]
    """Listed traits that some rows mention openly."""
    unseen: Unseen = Unseen()
    """What of the file was not looked at."""
    control_unseen: Unseen = Unseen()
    """The same of the control's file."""
    started: datetime
    wall_s: float
    made_with: dict[str, str]
    """Versions and hardware."""


class Findings(AuditFindings):
    """A whole audit for a base whose weights are on this machine."""

    shown_by: ClassVar[str] = "undertone.audit.page:page"
    table: ClassVar[str] = "families.traits"

    control: str | None = None
    """The file of trusted rows, if there is one."""
    control_digest: str | None = None
    """Its SHA-256."""
    base: str
    """Digest of the base."""
    parts: dict[str, str] = Field(default_factory=dict)
    """Of a base with an adapter: the digests of both, by name."""
    alpha: float
    effect: float
    """The effect, in reference teachers, that "no evidence" rules out with 80 % power."""
    families: tuple[FamilyFinding, ...]
    scored: int
    """Rows that were scored."""
    repeated: int
    """Rows that were not, because an earlier one has the same answer."""
    mentioning: int
    """Rows that were not, because they mention a trait of which the file does not speak."""
    tokens: int
    """Their answer tokens."""
    origin: OriginFinding | None
    """None if nothing was declared about who wrote the rows."""
    canaries: tuple[CanaryFinding, ...] = ()
    """What canary students became, the largest shift first; empty if none were trained."""
    training: Recipe | None = None
    """How canary students were trained."""
    rows: tuple[ShownRow, ...]
    rows_per_s: float
    """Rows scored in a second."""

    @property
    def traits(self) -> tuple[TraitFinding, ...]:
        """The traits of all families, the strongest first."""
        return tuple(sorted((t for family in self.families for t in family.traits), key=lambda t: -t.z))

    @property
    def named(self) -> tuple[str, ...]:
        """The listed traits that were found, the strongest first."""
        return tuple(dict.fromkeys(trait.name for trait in self.traits if trait.found and trait.listed))
