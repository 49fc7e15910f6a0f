"""What a benchmark of measurements found, as data: the one object of ``report.json``."""

from undertone.measure.findings import Verdict
from undertone.report.findings import Part, RunFindings


class Group(Part):
    """Fine-tunes of one sort, measured in one way."""

    title: str
    """Which, and what they are measured against."""
    verdicts: dict[str, dict[Verdict, int]]
    """By lesson, how often each verdict was given."""


class MeasureBenchmarkFindings(RunFindings):
    """How often each verdict is given to fine-tunes whose training is known."""

    models: dict[str, str]
    """The digest of the base."""
    effect: float
    """The rise that is called a shift."""
    groups: tuple[Group, ...]
    """Every sort of fine-tunes."""
    coverage: tuple[tuple[str, ...], ...]
    """A simulation of the intervals: a row each."""
