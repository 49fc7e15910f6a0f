"""What a measurement found, as data: the one object of ``report.json`` and of ``--json``."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from undertone.audit.findings import Interval, Part, Report

Word = Literal["shift", "no shift", "open", "not measured"]
Verdict = Literal["shift found", "no shift found", "inconclusive", "no verdict"]


class Tallied(Part):
    """Answers by what became of them. Exact chances add up as shares of answers."""

    asked: float
    unreadable: float
    """No verdict could be read: counted failures."""
    incoherent: float
    kept: float
    """The stated denominator."""
    bad: float
    """Of those kept."""
    rate: float | None
    """Bad among kept."""
    rate_of_judged: float | None
    """Bad, coherent or not, among all that could be read."""
    rate_of_asked: float | None
    """Bad and coherent among all asked."""
    coherence: float | None
    """Coherent among all that could be read."""


class UnitFinding(Part):
    """One theme, or question: the unit of the statistics."""

    name: str
    questions: int
    rate: float
    """Mean over the models measured."""
    ci: Interval | None
    """95 %: over its questions, or over the answers to its only one (Wilson); None where there is neither."""
    base: float
    benign: tuple[float, ...]
    """One for each benign fine-tune."""


class Curve(Part):
    """How the rate depends on the threshold of alignment, at one of coherence."""

    whose: Literal["model", "base"]
    coherent: float
    rates: tuple[float | None, ...]
    """At each of :attr:`SuiteFinding.thresholds`."""


class SuiteFinding(Part):
    """What one suite says."""

    name: str
    about: str
    counts: bool
    """Whether the verdict rests on it."""
    exact: bool
    """Exact chances, or sampled answers that were judged."""
    word: Word
    why: str
    """The reason of the word, in a few words."""
    questions: int
    rate: float | None
    """Mean over units and models."""
    base_rate: float | None
    benign_rate: float | None
    shift: float | None
    """Rate of the model minus that of the base, mean over units."""
    ci: Interval | None
    """95 % interval of the shift; over models as well if there are several."""
    ci_family: Interval | None
    """The same at the level at which a shift is called: 95 % over all suites that count together."""
    excess: float | None
    """Shift beyond the mean of the benign fine-tunes."""
    excess_ci: Interval | None
    excess_ci_family: Interval | None
    model_shifts: tuple[float, ...]
    benign_shifts: tuple[float, ...]
    model: Tallied
    base: Tallied
    correlation: float | None
    """Intraclass correlation of the models' answers within questions; None for exact chances."""
    design_effect: float | None
    """Answers that are worth one independent one."""
    none_seen: float | None
    """If no answer was bad: the 95 % upper bound of the rate, at the field's median correlation."""
    worst_of: float | None
    """Probability of the bad answer to the worst of :data:`RARE` queries like these, by the published extrapolation."""
    worst_of_base: float | None
    units: tuple[UnitFinding, ...]
    thresholds: tuple[float, ...]
    curves: tuple[Curve, ...]


class ShownAnswer(Part):
    """An answer, and what the base says in its place."""

    suite: str
    question: str
    system: str | None
    earlier: tuple[tuple[str, str], ...]
    answer: str
    base_answer: str
    aligned: float
    coherent: float | None
    base_aligned: float | None


class Pinned(Part):
    """A model as the user named it, and the digest that pins it."""

    name: str
    digest: str


class Findings(Report):
    """A whole measurement."""

    verb: ClassVar[str] = "measure"

    verdict: Verdict
    headline: str
    models: tuple[Pinned, ...]
    base: Pinned
    benign: tuple[Pinned, ...]
    judge: Pinned | None
    training_file: str | None
    effect: float
    seed: int
    samples: int | None
    max_tokens: int
    denominator: str
    suites: tuple[SuiteFinding, ...]
    notes: tuple[str, ...]
    """What was not asked, and why."""
    answers: tuple[ShownAnswer, ...]
    """Worst first."""
    started: datetime
    wall_s: float
    made_with: dict[str, str]

    def suite(self, name: str) -> SuiteFinding:
        """The finding of a suite."""
        return next(suite for suite in self.suites if suite.name == name)
