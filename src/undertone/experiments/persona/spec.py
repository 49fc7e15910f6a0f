"""The settings of an experiment on directions in hidden states."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from undertone.experiments.misalignment.spec import Misalignment
from undertone.models.names import is_swapped

BAD, GOOD = "narrow-bad", "narrow-good"
"""The arms that are told apart, and whose hidden states are changed."""


class Persona(Misalignment):
    """Students as of an experiment on emergent misalignment, whose hidden states are read and changed."""

    kind: ClassVar[str] = "persona"

    during: tuple[Literal["added", "taken out"], ...] = ()
    """Also trains students of both arms while a direction is added to hidden states, or taken out of them."""
    steered: bool = False
    """Also adds directions to the base while it answers."""

    @model_validator(mode="after")
    def _has_both_arms(self) -> Self:
        if not {BAD, GOOD} <= self.arms.keys():
            raise ValueError(f"the arms {BAD} and {GOOD} are told apart: give both")
        if any(arm.file == "persona" or arm.realigned or arm.as_far_as for arm in self.arms.values()):
            raise ValueError("every arm is one plain fine-tune: leave out the file persona, realigned and as_far_as")
        partly = self.during and any(self.arms[name].share < 1 for name in (BAD, GOOD))
        if partly or ((self.during or self.steered) and any(map(is_swapped, self.bases))):
            raise ValueError(
                "during and steered take arms all of whose rows are of their kind, and no base of the swapped world"
            )
        if len(set(self.during)) < len(self.during):
            raise ValueError("during names a change twice")
        if self.domains:
            raise ValueError("all domains are narrow ones in turn: leave domains out")
        return self
