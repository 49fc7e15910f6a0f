"""What a measurement would ask, and how many questions, models and samples a wanted precision takes. Asks nothing."""

from collections.abc import Sequence

from undertone.measure.suite import Suite
from undertone.report.findings import Part
from undertone.statistics.precision import MODELS, Spread, half_width, questions_needed

SAMPLES = (1, 10, 50, 100)


class PlannedSuite(Part):
    """What one suite asks, and how precise that is expected to be."""

    name: str
    counts: bool
    exact: bool
    units: int
    answers: int
    """How many answers of each model are sampled. 0 for exact chances."""
    half_width: float | None
    """The expected half-width of a 95 % interval, in units of the rate. None for exact chances, because their spread is
    not known before they are read."""


class Needed(Part):
    """How many questions the wanted half-width takes."""

    models: int
    samples: int
    questions: int | None
    """None where no number of questions would do with so few models."""


class Plan(Part):
    """A measurement before anything is asked."""

    suites: tuple[PlannedSuite, ...]
    models: int
    wanted: float
    """The half-width that is wanted."""
    rate: float
    """The rate that is assumed."""
    of_questions: float
    """The share of an answer's variance that is assumed to lie between questions."""
    of_models: float
    """The share that is assumed to lie between models."""
    needed: tuple[Needed, ...]


def plan(
    suites: Sequence[Suite], models: int, wanted: float, samples: int | None, spread: Spread | None = None
) -> Plan:
    """Lays out the cost and the expected precision of ``suites`` for so many models."""
    spread = spread or Spread()
    needed = [
        Needed(models=m, samples=k, questions=questions_needed(spread, m, k, wanted)) for m in MODELS for k in SAMPLES
    ]
    return Plan(
        suites=tuple(_planned(suite, models, samples, spread) for suite in suites),
        models=models,
        wanted=wanted,
        rate=spread.rate,
        of_questions=spread.of_questions,
        of_models=spread.of_models,
        needed=tuple(needed),
    )


def _planned(suite: Suite, models: int, samples: int | None, spread: Spread) -> PlannedSuite:
    answers = sum(len(q.paraphrases) * (samples or q.samples_per_paraphrase) for q in suite.questions if not q.exact)
    units = len(suite.units)
    known = answers and units > 1
    return PlannedSuite(
        name=suite.name,
        counts=suite.counts,
        exact=not suite.needs_judge,
        units=units,
        answers=answers,
        half_width=half_width(spread, models, units, max(1, round(answers / units))) if known else None,
    )
