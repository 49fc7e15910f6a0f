"""What an audit with a service's students found, as data: the single object of ``report.json`` and of ``--json``."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from undertone.audit.findings import AuditFindings
from undertone.measure.findings import Pinned
from undertone.models.services.spending import Price
from undertone.report.findings import Interval, Part

UNTOLD = (
    "a service does not return the probability of a row, so there are no scores of rows or traits and no origin test"
)
"""What an audit cannot do without the model's logits."""


class Student(Part):
    """One model that the service fine-tuned, and where it comes from."""

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
    """Hyperparameters as the service reports them, or else as they were sent."""
    tokens: int | None
    """Tokens that the service charged for; None if it does not report them."""
    dollars: float | None
    """Cost by the table of prices; None if the tokens or the price are unknown."""
    record: Path
    """The file with the job's record, because of which the job is not created again."""


class TraitFinding(Part):
    """How often students name one trait."""

    name: str
    rate: float | None
    """Share of sampled answers, averaged over questions and over the students of the data."""
    control: float | None
    """The same for the control's students."""
    base: float | None
    """The same for the base."""
    difference: float | None
    """Data minus control."""
    ci: Interval | None
    """95 % interval of the difference over students and questions. It holds for this file, not for its teacher."""
    ci_family: Interval | None
    """The same interval at 95 % for all traits together."""
    word: Literal["carried", "not shown", "open"]
    why: str
    of_data: tuple[float, ...]
    """The rate of each student."""
    of_control: tuple[float, ...]


class Findings(AuditFindings):
    """A whole audit for a base behind a service."""

    shown_by: ClassVar[str] = "undertone.audit.api.page:page"

    base: Pinned
    """The base, with the model name that the service answered with."""
    url: str
    """The service's address."""
    rows: int
    """How many rows each arm was trained on."""
    unanswered: int
    """How many rows were left out of both arms, because the base gave an empty answer."""
    control: str
    """Who wrote the control's rows."""
    control_digest: str | None
    """SHA-256 of the control's file, if one was given."""
    effect: float
    """The rise of a rate that must be ruled out for the verdict "no evidence"."""
    traits: tuple[TraitFinding, ...]
    open_rows: dict[str, int]
    """How many rows mention each trait openly. They were left out."""
    students: tuple[Student, ...]
    prices: dict[str, Price]
    """Dollars per million tokens, from which ``dollars`` was computed."""
    untold: str = UNTOLD
    notes: tuple[str, ...]
