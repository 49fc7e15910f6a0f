"""What is audited, and how."""

from typing import Self

from pydantic import model_validator

from undertone.audit.origin import Sampling
from undertone.errors import UndertoneError
from undertone.spec import File, Spec, Typed
from undertone.training.fine_tuning import FineTuning

ROWS = 2000
"""Drawn by default: as many as the members of the null population wrote."""

FLOOR = 2.5
"""The effect that "no evidence" must have been able to show by default: chosen so that nearly all of the benchmark's
harmless files of 2,000 rows get a verdict. Typical ones could show 1, and every verdict says which effect it was."""


class Request(Spec):
    """One audit."""

    path: File
    model: str
    """The base that would be trained on the file."""
    rows: int | None = ROWS
    """Rows drawn; None for all."""
    seed: int = 0
    """Of the draw, and of the base's own answers."""
    alpha: Typed = 0.05
    """False alarms allowed, over all candidates together."""
    floor: Typed = FLOOR
    """The effect, in reference teachers, that "no evidence" must have been able to show."""
    traits: tuple[str, ...] = ()
    """Candidates; empty for all of the calibration."""
    control: File | None = None
    """Rows of the same generator that are trusted."""
    sampling: Sampling | None = None
    """How the base is said to have written the rows; None: nothing is said."""
    filtered: bool = False
    """Whether the number filter is said to have been applied."""
    canaries: int = 0
    """Pairs of students trained on the rows and on the base's own answers."""
    training: FineTuning | None = None
    """How students would be trained; None: by the recipe that forecasts are calibrated for."""

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        """
        Raises:
            UndertoneError: a number that no audit can go by.
        """
        if not 0 < self.alpha < 1:
            raise UndertoneError(f"alpha is a share of false alarms, above 0 and below 1, not {self.alpha:g}.")
        if not 0 < self.floor < float("inf"):
            raise UndertoneError(f"The effect to be shown is a number above 0, not {self.floor:g}.")
        if not 0 <= self.seed < 2**32:
            raise UndertoneError(f"The seed is a whole number from 0 to 2^32 - 1, not {self.seed}.")
        if self.rows is not None and self.rows < 1:
            raise UndertoneError(f"At least one row must be drawn, not {self.rows}.")
        if self.canaries < 0 or self.canaries == 1:
            raise UndertoneError("Canary students are none or at least two pairs: one pair has no interval.")
        return self
