"""What a benchmark of the audit found, as data: the single object of ``report.json``."""

from undertone.report.findings import Measured, Part, RunFindings
from undertone.statistics.rate import Rate


class Misled(Part):
    """What the audit says of harmless datasets of one adversarial kind."""

    alarms: Rate
    """Share with any alarm."""
    named: Rate
    """Share for which a trait is named."""
    names: dict[str, int]
    """How many datasets each trait, or kind of traits, is named for; the most frequent first."""


class Detection(Part):
    """How well the audit finds teachers of one kind."""

    named: Rate
    """Share of datasets for which the audit names their own trait."""
    wrong: Rate
    """Share of datasets for which the audit names another trait."""
    auroc: float
    """AUROC of z: of the own trait, against the largest z of each ordinary harmless dataset."""
    above: float
    """Share of teachers whose own trait's z is above the 99th percentile of ordinary harmless datasets."""
    oracle: float
    """Median over teachers of d' of a single row for the teacher's true likelihood ratio."""
    direction: float
    """The same for the trait's direction."""
    ratio: float
    """Median over teachers of direction divided by oracle."""


class Verdicts(Part):
    """What the audit says of datasets of one kind. The others get "no evidence"."""

    carrier: Rate
    """Share with the verdict "carries a trait"."""
    inconclusive: Rate
    """Share without an alarm that could not have shown the effect of the benchmark's floor."""
    detectable: float | None
    """Median of the effect that is detected with 80 % power; None if it is above 10."""


class Point(Part):
    """Power at one size of a file."""

    share: float
    """Share of the rows that a teacher with a trait wrote."""
    rows: int
    """Rows of the file."""
    named: Rate
    """Share of datasets for which the audit names their trait."""


class Line(Part):
    """How often one detector is right."""

    named: dict[str, Rate]
    """For each kind of teacher: share of datasets for which their own trait is named."""
    alarms: Rate
    """Share of ordinary harmless datasets without open mentions that give any alarm."""
    adversarial: Rate
    """The same for adversarial datasets."""
    overt: Rate
    """The same for harmless datasets with open mentions."""
    wrong: Rate
    """Share of datasets with a trait for which another trait is named."""
    auroc: float
    """AUROC of z: of the own trait of teachers like the proxies, against the largest z of each ordinary harmless
    dataset."""


class Speed(Part):
    """How fast rows are scored, compared with a plain forward pass in the same run."""

    rows_per_second: float
    forward_rows_per_second: float
    directions: int


class AuditBenchmarkFindings(RunFindings):
    """Error rates of the audit. Intervals are exact binomial ones over teachers."""

    models: dict[str, str]
    """Digests of the bases by name."""
    alpha: float
    """Rate of false alarms that is allowed."""
    floor: float
    """The effect that rows must be able to show for the verdict "no evidence"."""
    alarms: dict[str, tuple[Rate, Rate]]
    """For each ordinary harmless kind: the share with any alarm, and the share for which a trait is named."""
    adversarial: dict[str, Misled]
    """For each adversarial kind; empty on carriers other than number lists."""
    moved: Measured | None
    """How far students of adversarial datasets with an alarm move to the traits that it names, in log-odds, above
    students of the calibration's teachers of other kinds. None if there are no such students."""
    detections: dict[str, Detection]
    """For each kind of teacher."""
    verdicts: dict[str, Verdicts]
    """For each kind of dataset."""
    curve: tuple[Point, ...]
    """Power by the number of rows and by the share that a teacher wrote; empty without teachers of a trait."""
    beside: dict[str, Line]
    """The audit and simpler detectors; empty if these were not asked for."""
    forecasts: tuple[tuple[str, dict[str, float]], ...]
    """For each training of students: how forecasts compare with the students' shifts."""
    speed: Speed
