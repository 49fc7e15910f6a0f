"""What was done to a file, and what a realignment found, as data."""

from datetime import datetime
from typing import Any, ClassVar

from undertone.report.findings import Findings, Part

PLAIN = "plain"
"""The standard questions, among probes."""


class Way(Part):
    """One way to bring a model back; shares are of the model as it was trained."""

    name: str
    title: str
    does: dict[str, Any]
    shift: float
    """Log-odds of the trait above the base's, on standard questions."""
    left: float
    conditional: float | None
    """The same share after rows of the training file; None where none was given."""
    gain: float
    """Nats a token better than the base on the task."""
    utility: float | None
    """None where the model as trained is no better at the task than its base: there is nothing to keep."""
    skills: dict[str, float]


class Realigned(Findings):
    """A realignment."""

    written_by: ClassVar[str] = "realign"

    headline: str
    model: str
    base: str
    trait: str
    task: str
    ways: tuple[Way, ...]
    """First the model as it was trained."""
    note: str | None
    """What could not be tried, and why."""
    started: datetime
    models: dict[str, str]
    made_with: dict[str, str]


class Model(Part):
    """A model that had a part in it."""

    name: str
    digest: str


class Told(Part):
    """What was done to a file, as data: ``treatment.json``."""

    file: str
    digest: str
    base: Model
    other: Model | None
    """Of another initialisation, where prompts are answered by one."""
    traits: tuple[str, ...]
    name: str
    does: dict[str, Any]
    beside: dict[str, Any] | None
    """What was done at random, as much of it."""
    counts: dict[str, int]
    """Rows kept, changed, added, dropped."""
    files: dict[str, str]
    """What was written, by what it is."""
    digests: dict[str, str]
    """SHA-256 of each of these files, by name."""
    measured: dict[str, dict[str, Any]]
    """What the benchmarks measured for this very treatment, by recipe."""
    seed: int
