"""What an audit found, as data: the single object of ``report.json`` and of ``--json``."""

from datetime import datetime
from typing import ClassVar, Literal

from undertone.audit.unseen import Unseen
from undertone.report import findings as report
from undertone.report.findings import Interval, Part

Recipe = dict[str, str | int | float]


class TraitFinding(Part):
    """The result for one candidate: a trait, or a whole kind of traits."""

    name: str
    """The trait; the kind if ``is_kind``."""
    kind: str
    """What it is a trait of, such as animal, tree or conduct."""
    is_kind: bool = False
    """Whether the candidate is "some trait of this kind" instead of one trait."""
    effect: float
    """Strength in reference teachers. 1 is as strong as a file whose rows were all written by a teacher that was
    fine-tuned on the trait's own dialogues, at the calibration's dose. Below 0 the rows lead away from the trait."""
    ci: Interval
    """95 % interval of ``effect`` over rows and over harmless teachers."""
    z: float
    """The trait's score given the scores of all other traits, divided by its standard deviation among harmless teachers
    for this number of rows."""
    p: float
    """p value of this candidate alone, from the population of the calibration."""
    p_family: float
    """Family-wise p value: over all candidates, from the largest z of each member of the population."""
    named: bool
    """Whether the verdict names this candidate."""
    detectable: float | None
    """The smallest effect that these rows detect with 80 % power; None if it is above 10."""
    overt: int
    """How many of the sampled rows mention the trait openly in an answer."""
    forecast: float | None = None
    """Expected shift (log-odds) of a student that is trained on the file."""
    forecast_ci: Interval | None = None
    """95 % prediction interval of ``forecast`` for one student."""
    canary: float | None = None
    """Measured shift (log-odds) of canary students against their controls, if any were trained."""
    canary_ci: Interval | None = None
    """95 % interval of ``canary`` over pairs of students."""


class StudentFinding(Part):
    """How a student of the file would be trained, as requested."""

    training: Recipe
    """Method, rank, alpha, rate, steps, batch and warm-up."""
    forecast: bool = False
    """Whether forecasts for this training could be made. The calibration must have been made with the same training
    (steps may differ by a tenth), and enough traits must be candidates."""
    calibrated: tuple[Recipe, ...] = ()
    """The trainings that the calibration has forecasts for."""


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


class Confounds(Part):
    """How the rows differ from the base's own answers in format, which has nothing to do with any trait."""

    auroc: float
    """How well a classifier that sees only format (lengths, counts, digits) tells the rows from the base's own answers,
    on rows that it was not trained on; 0.5 is chance."""
    ci: Interval
    """95 % interval of ``auroc``."""
    features: tuple[tuple[str, float, float], ...]
    """Of each feature: name, mean in the rows, mean in the base's answers."""


class Power(Part):
    """What the rows can detect."""

    rows: int
    """Rows scored."""
    tokens: int
    """Answer tokens scored."""
    floor: float
    """The effect that the rows must be able to detect for the verdict "no evidence"."""
    detectable: float | None
    """The effect at which a teacher of a candidate trait is named with 80 % power, averaged over traits and over
    teachers that vary as the reference teachers do; None if it is above 10."""
    rows_needed: int | None
    """About how many rows would detect ``floor``; None if no number of rows would."""
    curve: tuple[tuple[float, float], ...] = ()
    """Effects, each with its power; empty if nothing could be judged."""


class Token(Part):
    """A token of a shown row."""

    text: str
    score: float
    """Log-likelihood ratio of the token (nats): a proxy of the trait against the base."""


class ShownRow(Part):
    """One of the rows with the highest scores for a trait. It is never a verdict on this row."""

    line: int
    """Line of the file."""
    trait: str
    score: float
    """Sum over the row's tokens (nats)."""
    prompt: str
    """The turn before the answer."""
    tokens: tuple[Token, ...]


class CalibrationFinding(Part):
    """What the scores were compared with."""

    base: str
    """Digest of the base that the calibration was made for."""
    matches: bool
    """Whether the calibration fits this base and these rows. If not, the audit is only a screen."""
    null: str
    """Whose rows the audited rows were compared with, in words."""
    population: int
    """How many independently trained harmless teachers there are."""
    carrier: str
    """What these teachers wrote."""
    warnings: tuple[str, ...] = ()
    """In what the audited rows differ from the population's."""


Verdict = Literal["carries a trait", "no evidence", "inconclusive", "could not be calibrated", "screen only"]


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
    model: str
    rows_in_file: int
    seed: int
    overt: tuple[str, ...]
    """Traits that some rows mention openly. These rows were left out."""
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

    rows: tuple[ShownRow, ...]
    alpha: float
    traits: tuple[TraitFinding, ...]
    """Traits first, then kinds; the strongest first."""
    origin: OriginFinding | None
    """None if nothing was declared about who wrote the rows."""
    student: StudentFinding | None = None
    """None if the request says nothing about students."""
    power: Power
    confounds: Confounds | None
    calibration: CalibrationFinding | None
    """None if nothing could be judged."""
    rows_per_s: float
    """Rows scored in a second."""
