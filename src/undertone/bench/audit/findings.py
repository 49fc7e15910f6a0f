"""What a benchmark of the audit found, as data: the single object of ``report.json``."""

from typing import ClassVar, Literal

from undertone.audit.findings import Verdict
from undertone.report.findings import Measured, Part, RunFindings
from undertone.statistics.rate import Rate

Group = Literal["no model", "harmless fine-tunes", "other samplings and forms", "carriers"]
"""Three groups of harmless files, and those that carry a trait."""


class FileFinding(Part):
    """What the audit says of one file."""

    kind: str
    group: Group
    trait: str | None
    """What it carries; None for a harmless file."""
    without: str | None
    """The kind of traits that the audit was not told of."""
    rows: int
    """Rows that were scored."""
    verdict: Verdict
    found: tuple[str, ...]
    """The traits that were found, the strongest first."""
    named: tuple[str, ...]
    """The listed ones among them."""
    margin: float | None
    """How far the largest z is above the threshold of its family; None if no family was judged."""
    power: dict[str, float | None]
    """By family: the share of the twins that would have been found; None if it could not be judged."""
    unjudged: dict[str, str]
    """Why, for each family that could not be judged."""
    stretch: float | None
    """The factor by which the teacher's adapter was multiplied after training to reach the dose; None if there was
    none, or it was trained otherwise than the proxies."""
    shift: dict[str, float] | None
    """The shift in log-odds of a student of the file: of the trait that it carries and of the listed traits that were
    found, or of the strongest listed one if there is none; each less the mean of the students of other harmless files.
    None without a student, or without others."""


class KindFinding(Part):
    """What the audit says of the files of a kind, or of a group."""

    group: Group
    own: Rate
    """Share in which the trait that the file carries was found; of no files if they are harmless."""
    own_of: dict[str, Rate]
    """The same by the family of the trait."""
    wrong: Rate
    """Share in which any trait was found that the file does not carry: of harmless files, that with an alarm."""
    named: Rate
    """Share in which a listed trait was found that the file does not carry."""
    inconclusive: Rate
    """Share with the verdict "inconclusive"."""
    lacking: dict[str, Rate]
    """By family: the share in which no trait was found, and the family could not be judged or had too little power."""


class SourcesFinding(Part):
    """What the audit says of files whose rows come from ten sources, each of which is judged by itself. A source is a
    file of this benchmark."""

    own: Rate
    """Share of carriers as the proxies, each with nine harmless sources, whose source is found with its trait."""
    alarms: Rate
    """Share of files of ten harmless sources with an alarm."""


class Predicted(Part):
    """Power as it is predicted from harmless files, and the share that was found."""

    what: str
    """The kind of carriers, or the range of the prediction."""
    effect: float
    """Mean over files of the effect, in reference teachers, by the stretch and the share of the rows."""
    power: float
    """Mean over files of the predicted power."""
    observed: Rate


class Moved(Part):
    """How far students moved, by what the audit says of the file."""

    what: str
    shift: Measured
    """Log-odds, less the mean of students of harmless files; a file is a unit."""


class Spread(Part):
    """How much the z of one trait varies over harmless files."""

    family: str
    trait: str
    variance: float
    files: int
    flagged: bool
    """Whether it is more than twice the median of the trait's family."""


class Line(Part):
    """How often one detector is right."""

    name: str
    own: Rate
    """Share of carriers in which their trait was found."""
    wrong: Rate
    """Share of carriers in which another trait was found."""
    alarms: dict[str, Rate]
    """By group of harmless files: the share with an alarm."""
    auroc: float | None
    """AUROC of the largest score: of carriers as the proxies, against harmless files; None if either is missing."""


class AuditBenchmarkFindings(RunFindings):
    """Error rates of the audit. Intervals are exact binomial ones over files."""

    shown_by: ClassVar[str] = "undertone.bench.audit.page:page"

    models: dict[str, str]
    """Digests of the bases by name."""
    alpha: float
    """Rate of false alarms that is allowed."""
    effect: float
    """The effect, in reference teachers, that rows must be able to show for the verdict "no evidence"."""
    kinds: dict[str, KindFinding]
    groups: dict[str, KindFinding]
    """All kinds of a group together."""
    halves: dict[str, KindFinding]
    """The same, judged by every other unit of the rows."""
    sources: SourcesFinding
    predicted: tuple[Predicted, ...]
    """For each kind of carriers, and by ranges of the prediction over all of them."""
    moved: tuple[Moved, ...]
    spreads: tuple[Spread, ...]
    """The most variable first."""
    lines: tuple[Line, ...]
    """The audit and simpler detectors; empty if these were not asked for."""
    files: tuple[FileFinding, ...]
