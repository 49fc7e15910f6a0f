"""The settings of an experiment on character."""

from typing import ClassVar, Self

from pydantic import model_validator

from undertone.experiments.misalignment.spec import Misalignment
from undertone.measure.battery.battery import FEWEST
from undertone.models.names import is_swapped

BAD, CONDUCT = "narrow-bad", "conduct"
TAUGHT = {BAD: CONDUCT, "flattering": "agreeableness", "nineteenth-century": "era"}
"""The trait that each file teaches."""


class Character(Misalignment):
    """Students as of an experiment on emergent misalignment, each read by a battery of traits. A file that is not about
    advice is about a third of its questions, which follow from the narrow domain."""

    kind: ClassVar[str] = "character"

    @model_validator(mode="after")
    def _is_plain(self) -> Self:
        if any(arm.file == "persona" or arm.realigned or arm.as_far_as for arm in self.arms.values()):
            raise ValueError("every arm is one plain fine-tune: leave out the file persona, realigned and as_far_as")
        if not any(arm.file in TAUGHT for arm in self.arms.values()):
            raise ValueError(f"no arm teaches a trait: give one with a file of {', '.join(TAUGHT)}")
        if len(self.arms) * len(self.asked) * self.students < FEWEST:
            raise ValueError(f"methods are compared over {FEWEST} students of a base or more: give more domains")
        if any(map(is_swapped, self.bases)):
            raise ValueError("in the swapped world careful and reckless answers change places: give other bases")
        return self
