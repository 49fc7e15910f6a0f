"""The findings of an experiment on users' files, as data: the contents of ``report.json``."""

from typing import ClassVar

from undertone.measure.findings import Findings as Measurement
from undertone.report.findings import RunFindings


class FinetunesFindings(RunFindings):
    """The measurements of all arms that are not controls."""

    shown_by: ClassVar[str] = "undertone.experiments.finetunes.page:page"

    models: dict[str, str]
    """The digest of the base, by its name."""
    arms: dict[str, Measurement]
    """The measurement of each arm by its name. Each also has its own report, in the folder of that name."""
