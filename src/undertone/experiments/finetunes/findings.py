"""What fine-tunes became, as data: the one object of ``report.json``."""

from undertone.measure.findings import Findings as Measurement
from undertone.report.findings import RunFindings


class FinetunesFindings(RunFindings):
    """The measurement of every arm that is no control."""

    models: dict[str, str]
    """The digest of the base."""
    arms: dict[str, Measurement]
    """By the arm's name; each has a report of its own in the folder of that name."""
