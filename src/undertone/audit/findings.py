"""What an audit found, as data: the one object of ``report.json`` and of ``--json``."""

from datetime import datetime
from typing import ClassVar, Literal

from undertone.report import findings as report
from undertone.report.findings import Interval, Part

Recipe = dict[str, str | int | float]


class TraitFinding(Part):
    """What the rows say of one candidate trait."""

    name: str
    """The trait, or the kind where ``is_kind``."""
    kind: str
    """The kind it belongs to: animal, tree, conduct."""
    is_kind: bool = False
    """Whether this line asks for "something of this kind" instead of one trait."""
    effect: float
    """Strength, in units of a reference teacher: 1 is as strong as rows that are all written by a teacher that was
    fine-tuned on the trait's own dialogues at the calibration's dose; negative leads away from the trait."""
    ci: Interval
    """95 % interval of ``effect`` over rows and over harmless teachers."""
    z: float
    """The trait's score given all other scores, over its spread among harmless teachers at these rows."""
    p: float
    """For this trait alone, from the null population."""
    p_family: float
    """For all candidates at once (max over candidates)."""
    named: bool
    """Whether the verdict gives this name."""
    detectable: float | None
    """The smallest effect that these rows would have shown with 80 % power; None if none up to 10."""
    overt: int
    """Drawn rows whose answers speak of the trait openly."""
    forecast: float | None = None
    """Expected shift (log-odds) of a student trained on the file with the calibrated recipe."""
    forecast_ci: Interval | None = None
    """95 % prediction interval of ``forecast``."""
    canary: float | None = None
    """Shift (log-odds) of the canary students against their control, if they were trained."""
    canary_ci: Interval | None = None
    """95 % interval of ``canary`` over pairs of students."""


class StudentFinding(Part):
    """How a student of the file would be trained, as the request says."""

    training: Recipe
    """Method, rank, alpha, rate, steps, batch and warm-up."""
    forecast: bool = False
    """Whether there are forecasts for this recipe (steps within a tenth): of the calibration's, and of enough traits to
    know a law from."""
    calibrated: tuple[Recipe, ...] = ()
    """The recipes that it has forecasts for."""


class OriginFinding(Part):
    """Were the rows written by the base as declared? An origin test and nothing more."""

    claim: str
    """What was declared."""
    p: float
    """Two-sided, exact under the claim."""
    pairs: int
    """Rows compared with a fresh answer of the base."""
    dropped: int
    """Rows to whose prompt the base gave no answer that passes the filter."""
    rejected: bool
    """p at or below the audit's alpha."""


class Confounds(Part):
    """What differs from the base's own answers without any trait, seen by format alone."""

    auroc: float
    """Of a classifier that sees only format (lengths, counts, digits), rows against the base's own answers, on rows it
    was not trained on: 0.5 is none."""
    ci: Interval
    """95 % interval of it."""
    features: tuple[tuple[str, float, float], ...]
    """Name, mean in the rows, mean in the base's answers."""


class Power(Part):
    """What these rows could show."""

    rows: int
    """Rows scored."""
    tokens: int
    """Answer tokens scored."""
    floor: float
    """The effect that "no evidence" must have been able to show."""
    detectable: float | None
    """The effect at which a teacher of some candidate trait would have been named with 80 % power (the mean over
    traits, and over teachers as unlike as the reference teachers); None if none up to 10."""
    rows_needed: int | None
    """Rows with which it would be the floor; None if no number of rows would do."""
    curve: tuple[tuple[float, float], ...] = ()
    """Effects, and the power that they would have had; none where nothing could be judged."""


class Token(Part):
    """A token of a shown row."""

    text: str
    score: float
    """Log-likelihood ratio (nats) of the token, proxy of the trait against the base."""


class ShownRow(Part):
    """A row that speaks most for a trait. Never a verdict on this row."""

    line: int
    """Line of the file."""
    trait: str
    score: float
    """Sum over its tokens (nats)."""
    prompt: str
    """The last turn before the answer."""
    tokens: tuple[Token, ...]


class CalibrationFinding(Part):
    """What the verdict was calibrated on."""

    base: str
    """Digest of the base it was made for."""
    matches: bool
    """Whether that is the audited base; if not the result is a screen only."""
    null: str
    """The null in words: whose rows the candidate traits are compared with."""
    population: int
    """Independently trained harmless teachers in it."""
    carrier: str
    """What its teachers wrote."""
    warnings: tuple[str, ...] = ()
    """How the audited rows are unlike the population's."""


Verdict = Literal["carries a trait", "no evidence", "inconclusive", "could not be calibrated", "screen only"]


class Findings(report.Findings):
    """A whole audit."""

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
    rows: tuple[ShownRow, ...]
    alpha: float
    seed: int
    traits: tuple[TraitFinding, ...]
    """Candidate traits first, then kinds; the strongest first."""
    origin: OriginFinding | None
    """None: nothing was declared."""
    overt: tuple[str, ...]
    """Traits of which rows speak openly."""
    student: StudentFinding | None = None
    """None: nothing was said of it."""
    power: Power
    confounds: Confounds | None
    calibration: CalibrationFinding | None
    """None: there is none for any base like this."""
    started: datetime
    wall_s: float
    rows_per_s: float
    """Scored rows a second."""
    made_with: dict[str, str]
    """Versions and hardware."""
