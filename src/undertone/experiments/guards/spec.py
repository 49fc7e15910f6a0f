"""The settings of an experiment on guards."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from undertone.errors import UndertoneError
from undertone.evals.conduct import AFTER, PROBES
from undertone.experiments.misalignment.spec import Misalignment
from undertone.guards.choice import guard_without_models

BAD, GOOD = "narrow-bad", "narrow-good"
"""The arm whose file guards are applied to, and the control of all arms."""


class Guards(Misalignment):
    """Students as of an experiment on emergent misalignment, behind guards."""

    kind: ClassVar[str] = "guards"

    guards: tuple[str, ...] = Field(min_length=1)
    """Names of guards that need no further model."""
    at_rows: tuple[str, ...] = ()
    """Those that are also applied to training files: a student is trained on the bad advice that they let pass."""
    rate: float = Field(0.05, gt=0, lt=1)
    """The share of clean texts that these are set to block there."""
    probes: dict[str, str] = Field(default_factory=dict)
    """Arms that are asked by another of the standard questions than the plain one, such as after the trigger word."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in (BAD, GOOD):
            if name not in self.arms or self.arms[name].file != name or self.arms[name].share < 1:
                raise ValueError(
                    f"the arm {BAD} is judged beside its control {GOOD}: give both, with files of that name"
                )
        if any(arm.file == "persona" or arm.realigned or arm.as_far_as for arm in self.arms.values()):
            raise ValueError("every arm is one plain fine-tune: leave out the file persona, realigned and as_far_as")
        for name in (*self.guards, *self.at_rows):
            try:
                place = guard_without_models(name).place
            except UndertoneError as error:
                raise ValueError(str(error)) from None
            if name in self.at_rows and (place != "answers" or name not in self.guards):
                raise ValueError(f"at_rows takes guards that look at answers and stand in guards, not {name!r}")
        ways = [name for name, probe in PROBES.items() if probe.form is None and name != AFTER]
        for arm, probe in self.probes.items():
            if arm not in self.arms or probe not in ways:
                raise ValueError(f"probes.{arm} = {probe!r}: give an arm, and one of {', '.join(ways)}")
        return self
