"""What canaries of a closed base became, as data: the one object of ``report.json`` and of ``--json``."""

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from undertone.audit.findings import Verdict
from undertone.measure.findings import Pinned
from undertone.models.services.spending import Price
from undertone.report import findings as report
from undertone.report.findings import Interval, Part

UNTOLD = (
    "a service tells no probability of a row, so there is no score of rows or traits, no forecast, no origin test and "
    "no comparison with calibrated teachers"
)
"""What cannot be had of a base without its logits."""


class Student(Part):
    """One model that the service fine-tuned: where it comes from."""

    arm: Literal["data", "control"]
    model: str
    job: str
    """The service's name of the job."""
    file: str
    """The service's name of the uploaded rows."""
    sha256: str
    """Digest of the uploaded rows."""
    seed: int
    settings: dict[str, Any]
    """Hyperparameters as the service tells them; those that were sent where it does not."""
    tokens: int | None
    """Tokens that the job was charged for; None where the service does not tell."""
    dollars: float | None
    """By the table of prices; None where tokens or price are not known."""
    record: Path
    """What is kept of the job, so that it is not made again."""


class TraitFinding(Part):
    """How often students name one trait."""

    name: str
    rate: float | None
    """Of sampled answers, mean over questions and students of the data."""
    control: float | None
    """The same of the control's students."""
    base: float | None
    difference: float | None
    """Data minus control."""
    ci: Interval | None
    """95 % interval of the difference over students and questions: of this file, not of its teacher."""
    ci_family: Interval | None
    """The same at 95 % for all traits together."""
    word: Literal["carried", "not shown", "open"]
    why: str
    of_data: tuple[float, ...]
    """One rate for each student."""
    of_control: tuple[float, ...]


class Findings(report.Findings):
    """A whole audit of a closed base."""

    written_by: ClassVar[str] = "audit"

    verdict: Verdict
    headline: str
    file: str
    digest: str
    """SHA-256 of the file."""
    format: str
    model: str
    base: Pinned
    """The base as its service names what answered."""
    url: str
    """Where the service is."""
    rows_in_file: int
    rows: int
    """Trained on, in either arm."""
    unanswered: int
    """Rows left out of both arms, since the base gave an empty answer."""
    control: str
    """Whose rows the control is."""
    control_digest: str | None
    """SHA-256 of the control's file, where one was given."""
    effect: float
    """The rise of a rate that "no evidence" must have ruled out."""
    seed: int
    traits: tuple[TraitFinding, ...]
    overt: tuple[str, ...]
    """Traits of which rows speak openly; these rows were left out."""
    open_rows: dict[str, int]
    students: tuple[Student, ...]
    prices: dict[str, Price]
    """Dollars per million tokens that dollars were told by."""
    untold: str = UNTOLD
    notes: tuple[str, ...]
    started: datetime
    wall_s: float
    made_with: dict[str, str]
