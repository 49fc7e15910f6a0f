"""What was seen while a model was trained: the object in ``report.json``."""

from datetime import datetime
from typing import ClassVar, Literal

from undertone.report import findings as report
from undertone.report.findings import Part

Verdict = Literal["limit reached", "limit not reached", "no limit", "not measured"]


class TraitFinding(Part):
    """One trait over the whole run. Probabilities are exact for the weights at their step."""

    name: str
    kind: str
    questions: int
    """How many questions were asked."""
    base: float
    """The probability before the first step."""
    end: float | None
    """That of the model which training left in memory; None here and below where it was not a number."""
    rise: float | None
    """The end minus the base."""
    largest_rise: float
    """The largest of all measurements after the first step, minus the base."""
    largest_at: int
    """At which step that was."""


class Measurement(Part):
    """One trait at one step."""

    step: int
    trait: str
    probability: float | None
    rise: float | None
    """The probability minus that before the first step."""


class Findings(report.Findings):
    """All that was seen."""

    written_by: ClassVar[str] = "watch"
    shown_by: ClassVar[str] = "undertone.watch.page:page"
    table: ClassVar[str] = "traits"

    verdict: Verdict
    headline: str
    model: str
    traits: tuple[TraitFinding, ...]
    """The one that rose most at the end comes first."""
    measurements: tuple[Measurement, ...]
    """In order of steps. Step 0 is the model before training."""
    every: int
    """How many steps lay between two measurements."""
    stop_at: float | None
    """The rise at which training was to stop; None if at none."""
    reached_at: int | None
    """The first step at which it was reached."""
    steps: int
    """The steps of the run."""
    end_step: int
    """The step of the model that training left: an earlier one if the best checkpoint was loaded."""
    notes: tuple[str, ...]
    started: datetime
    wall_s: float
    """Seconds of the whole run since it was started or resumed."""
    measuring_s: float
    """How many of them measuring took."""
    made_with: dict[str, str]
