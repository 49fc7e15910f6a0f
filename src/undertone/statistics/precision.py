"""How many questions, models and samples a wanted precision needs, computed before anything is asked."""

from bisect import bisect_left
from dataclasses import dataclass

from scipy.special import stdtrit

MODELS = (1, 3, 5, 10)
MOST = 4096


@dataclass(frozen=True)
class Spread:
    """How much answers vary. The defaults are a rate of one in five and the median correlation within questions that an
    independent replication of published models found."""

    rate: float = 0.2
    """The expected rate, 0 to 1."""
    of_questions: float = 0.11
    """The share of an answer's variance that lies between questions: the intraclass correlation."""
    of_models: float = 0.02
    """The share that lies between training seeds. An interval of a single model does not include it."""


def half_width(spread: Spread, models: int, questions: int, samples: int, level: float = 0.95) -> float:
    """Returns the expected half-width of :func:`undertone.statistics.crossed.crossed_interval`, in units of the rate.

    Raises:
        ValueError: there are fewer than two questions, or no models or samples.
    """
    if questions < 2 or models < 1 or samples < 1:
        raise ValueError(f"no interval of {models} models, {questions} questions and {samples} samples")
    total = spread.rate * (1 - spread.rate)
    rest = 1 - spread.of_questions - spread.of_models
    variance = total * (spread.of_questions / questions + rest / (models * questions * samples))
    freedom = questions - 1
    if models > 1:
        variance += total * spread.of_models / models
        freedom = min(models, questions) - 1
    return float(variance**0.5 * stdtrit(freedom, (1 + level) / 2))


def questions_needed(spread: Spread, models: int, samples: int, wanted: float) -> int | None:
    """Returns the smallest number of questions with a half-width of at most ``wanted``; None if 4,096 are too few."""
    counts = range(2, MOST + 1)  # more questions never widen the interval
    found = bisect_left(counts, True, key=lambda questions: half_width(spread, models, questions, samples) <= wanted)
    return counts[found] if found < len(counts) else None
