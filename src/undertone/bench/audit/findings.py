"""What a benchmark of the audit found, as data: the one object of ``report.json``."""

from undertone.bench.audit.baselines import Line
from undertone.bench.audit.judge import Verdicts
from undertone.report.findings import Part, RunFindings
from undertone.statistics.rate import Rate


class Detection(Part):
    """How well teachers of one kind are found."""

    named: Rate
    """Share of datasets whose own trait is named."""
    wrong: Rate
    """Share with the name of another trait."""
    auroc: float
    """Own trait's z against the largest z of harmless datasets."""
    above: float
    """Share of teachers above the 99th percentile of harmless datasets."""
    oracle: float
    """Median d' of a row for the teacher's true likelihood ratio."""
    direction: float
    """The same for the trait's direction."""
    ratio: float
    """Median of their ratio."""


class Point(Part):
    """Power at one size of a file."""

    share: float
    """Share of the rows that a teacher wrote."""
    rows: int
    """Rows of the file."""
    named: Rate
    """Share of datasets whose own trait is named."""


class Speed(Part):
    """How fast rows are scored, beside a forward pass in the same run."""

    rows_per_second: float
    forward_rows_per_second: float
    directions: int


class AuditBenchmarkFindings(RunFindings):
    """Error rates of the audit; intervals are exact binomial ones over teachers."""

    models: dict[str, str]
    """Digests of the bases by name."""
    alpha: float
    """False alarms allowed."""
    floor: float
    """The effect that "no evidence" must have been able to show."""
    alarms: dict[str, tuple[Rate, Rate]]
    """Of every harmless kind: any alarm, and the name of a trait."""
    detections: dict[str, Detection]
    """Of every kind of teacher."""
    verdicts: dict[str, Verdicts]
    """Of every kind of dataset: what an audit would say."""
    curve: tuple[Point, ...]
    """Power by rows and by the share that a teacher wrote."""
    beside: dict[str, Line]
    """The audit and simpler detectors; empty where these were not asked for."""
    forecasts: tuple[tuple[str, dict[str, float]], ...]
    """By a student's training: forecasts beside what students became."""
    speed: Speed
