"""What was done to a file, and what a realignment found, as data."""

from datetime import datetime
from typing import Any, ClassVar

from undertone.audit.unseen import Unseen
from undertone.report.findings import Findings, Part

PLAIN = "plain"
"""The probe of the standard questions."""
WANTED, KEPT = 0.10, 0.95
"""The goal of a mitigation: the largest share of the transfer and the smallest share of the utility that are left."""


class Way(Part):
    """A mitigation of a trained model, and what the model was like afterwards. Shares are relative to the model as it
    was trained."""

    name: str
    title: str
    does: dict[str, Any]
    shift: float
    """Log-odds of the trait on the standard questions, minus those of the base."""
    left: float
    """The share of the shift that is left."""
    conditional: float | None
    """The share that is left on questions after rows of the training file; None without such a file."""
    gain: float
    """How much lower the loss on the task is than the base's, in nats per token."""
    utility: float | None
    """The share of the gain that is left; None if the model as trained is no better at the task than its base."""
    skills: dict[str, float]


class Realigned(Findings):
    """All mitigations that were tried on a model."""

    written_by: ClassVar[str] = "realign"

    headline: str
    model: str
    base: str
    trait: str
    task: str
    ways: tuple[Way, ...]
    """The first is the model as it was trained."""
    unseen: Unseen = Unseen()
    """What of the task's rows was not looked at."""
    started: datetime
    models: dict[str, str]
    made_with: dict[str, str]


class Model(Part):
    """A model that a mitigation used."""

    name: str
    digest: str


class Told(Part):
    """What was done to a file: the content of ``treatment.json``."""

    file: str
    digest: str
    base: Model
    other: Model | None
    """The model of another initialisation that answered the prompts, if one did."""
    traits: tuple[str, ...]
    name: str
    does: dict[str, Any]
    beside: dict[str, Any] | None
    """The random counterpart: the mitigation that changes as much at random."""
    counts: dict[str, int]
    """Numbers of rows that were kept, changed, added and dropped."""
    files: dict[str, str]
    """Names of the files that were written: "treated" and perhaps "random"."""
    digests: dict[str, str]
    """SHA-256 of each of these files, by file name."""
    measured: dict[str, dict[str, Any]]
    """What the benchmarks measured for this mitigation, by recipe."""
    seed: int
    unseen: Unseen
    """What of the file was not looked at. Rows that were left out are not in the treated file; keys that were not read
    are there as they were."""
