"""How many questions, models and samples a wanted precision takes, before anything is asked."""

from dataclasses import dataclass

from scipy.special import stdtrit

MODELS = (1, 3, 5, 10)
MOST = 4096


@dataclass(frozen=True)
class Spread:
    """What answers vary by. The defaults are the field's: a rate of one in five and the median correlation within
    questions that an independent replication of published models shows."""

    rate: float = 0.2
    """Expected rate, 0 to 1."""
    of_questions: float = 0.11
    """Share of the variance of an answer that lies between questions: the intraclass correlation."""
    of_models: float = 0.02
    """Share that lies between training seeds. With one model it is not in any interval."""


def half_width(spread: Spread, models: int, questions: int, samples: int, level: float = 0.95) -> float:
    """Expected half-width of :func:`undertone.statistics.crossed.crossed_interval`, in units of the rate.

    Raises:
        ValueError: fewer than two questions, or none of something.
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


def questions_needed(spread: Spread, models: int, samples: int, wanted: float, level: float = 0.95) -> int | None:
    """The fewest questions with which the half-width is at most ``wanted``; None if no number up to 4,096 would do."""
    low, high = 1, MOST
    if half_width(spread, models, high, samples, level) > wanted:
        return None
    while high - low > 1:  # more questions never widen it
        middle = (low + high) // 2
        low, high = (low, middle) if half_width(spread, models, middle, samples, level) <= wanted else (middle, high)
    return high
