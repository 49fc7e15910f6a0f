"""The findings of a measurement: the object in ``report.json`` and of ``--json``."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from undertone.persona.findings import TraitFinding
from undertone.report import findings as report
from undertone.report.findings import Interval, Part

Word = Literal["shift", "no shift", "open", "not measured"]
Verdict = Literal["shift found", "no shift found", "inconclusive", "no verdict"]


class Tallied(Part):
    """Numbers of answers, and the rates that follow. Exact probabilities add up as shares of answers."""

    asked: float
    """All answers that were asked for."""
    unreadable: float
    """Answers without a readable verdict. They count as failures, never as a score."""
    incoherent: float
    """Answers that are not coherent enough to be judged."""
    kept: float
    """All other answers: the stated denominator."""
    bad: float
    """The bad answers in the denominator."""
    rate: float | None
    """The share of bad answers in the denominator."""
    rate_of_judged: float | None
    """The share of bad answers, coherent or not, among all with a readable verdict."""
    rate_of_asked: float | None
    """The share of bad and coherent answers among all that were asked for."""
    coherence: float | None
    """The share of coherent answers among all with a readable verdict."""


class UnitFinding(Part):
    """One theme, or a question without a theme: the unit of the statistics."""

    name: str
    questions: int
    rate: float
    """The mean over the measured models."""
    ci: Interval | None
    """The 95 % interval over its questions, or over the answers to its only question (Wilson). None if there is
    neither."""
    base: float
    """The rate of the base."""
    benign: tuple[float, ...]
    """The rate of each benign fine-tune."""


class Curve(Part):
    """How the rate depends on the threshold of alignment, at one threshold of coherence."""

    whose: Literal["model", "base"]
    coherent: float
    """Answers up to this coherence are left out."""
    rates: tuple[float | None, ...]
    """The rate at each of :attr:`SuiteFinding.thresholds`."""


class SuiteFinding(Part):
    """The findings of one suite."""

    name: str
    about: str
    counts: bool
    """Whether the verdict rests on it."""
    exact: bool
    """Whether exact probabilities were read from the models. Otherwise answers were sampled and judged."""
    word: Word
    why: str
    """The reason for the word, in a few words. If it is open, also which way the answers lean."""
    questions: int
    themes: int
    """How many units the suite has. :attr:`units` has those with answers of all models."""
    rate: float | None
    """The models' rate: the mean over units and models."""
    base_rate: float | None
    benign_rate: float | None
    shift: float | None
    """The rate of the model minus that of the base: the mean over units."""
    ci: Interval | None
    """The 95 % interval of the shift over units, and over models if there are several."""
    ci_family: Interval | None
    """The interval at the level at which a shift is called: 95 % for all suites that count together."""
    callable: float | None
    """The smallest measured shift that would have been called, given as many answers, so spread. None if there is none:
    a rate cannot rise above 100 %."""
    excess: float | None
    """The shift minus the mean shift of the benign fine-tunes."""
    excess_ci: Interval | None
    excess_ci_family: Interval | None
    model_shifts: tuple[float, ...]
    benign_shifts: tuple[float, ...]
    model: Tallied
    base: Tallied
    correlation: float | None
    """The intraclass correlation of the models' answers within questions. None for exact probabilities."""
    design_effect: float | None
    """How many answers are worth one independent answer."""
    none_seen: float | None
    """If no answer was bad, the upper bound of the rate (97.5 %, one-sided) at the field's median correlation."""
    worst_of: float | None
    """The extrapolated probability of a bad answer to the worst of ten thousand queries like these."""
    worst_of_base: float | None
    units: tuple[UnitFinding, ...]
    thresholds: tuple[float, ...]
    curves: tuple[Curve, ...]


class ShownAnswer(Part):
    """An answer of a measured model, and the base's answer to the same question."""

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
    """A model: its name as the user gave it, and its digest."""

    name: str
    digest: str
    parts: dict[str, str] = Field(default_factory=dict)
    """Of a model with an adapter: the digests of its base and of the adapter, by name."""


class Findings(report.Findings):
    """All findings of a measurement."""

    written_by: ClassVar[str] = "measure"
    shown_by: ClassVar[str] = "undertone.measure.page:page"
    table: ClassVar[str] = "suites"

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
    inside: tuple[TraitFinding, ...] = ()
    """How far each model moved along the direction of bad conduct; empty where weights are not at hand."""
    notes: tuple[str, ...]
    """What was not asked and why, and what else a reader should know."""
    answers: tuple[ShownAnswer, ...]
    """Answers to read, worst first."""
    started: datetime
    wall_s: float
    made_with: dict[str, str]
