"""What a benchmark of measurements found, as data: the single object of ``report.json``."""

from undertone.measure.findings import Verdict
from undertone.report.findings import Part, RunFindings


class Group(Part):
    """Fine-tunes of one kind, measured in one way."""

    title: str
    """Which fine-tunes these are, and what they are measured against."""
    verdicts: dict[str, dict[Verdict, int]]
    """For each lesson, how often each verdict was given."""


class MeasureBenchmarkFindings(RunFindings):
    """How often each verdict is given to fine-tunes whose training is known."""

    models: dict[str, str]
    """The digest of the base."""
    effect: float
    """The rise that is called a shift."""
    groups: tuple[Group, ...]
    coverage: tuple[tuple[str, ...], ...]
    """The rows of a simulation of how often intervals cover."""
