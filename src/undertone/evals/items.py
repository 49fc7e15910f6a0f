"""Questions whose answers place a model between two poles of a trait."""

from dataclasses import dataclass

from undertone.statistics.arrays import Floats


@dataclass(frozen=True)
class Item:
    """A question, and what a model may answer."""

    question: str
    high: tuple[str, ...]
    """Answers of the trait's high pole."""
    low: tuple[str, ...]
    """Answers of its low pole."""
    form: str
    """The form of the question: a scale is the mean over its forms, so that a habit of saying yes, or of naming what is
    named first, cancels. Of situations: what they are about."""
    whole: bool = True
    """Whether these are whole answers, or how answers begin."""

    @property
    def answers(self) -> tuple[str, ...]:
        """All of them, high ones first."""
        return (*self.high, *self.low)


@dataclass(frozen=True)
class Answers:
    """What a model answers; arrays are ``(items,)``."""

    odds: Floats
    """Log-odds of the high pole."""
    either: Floats
    """Probability (0 to 1) of any of the answers; the rest is other text."""
