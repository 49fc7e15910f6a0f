"""The fine-tuning settings of students of a user's file: audits forecast for these settings and train canaries so."""

import math
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from undertone.data.toml import read_toml
from undertone.spec import Optimisation, Training


class FineTuning(Optimisation):
    """How a model is fine-tuned, with the length either in steps or in epochs."""

    steps: int | None = Field(None, ge=1)
    """The number of optimiser steps; required unless ``epochs`` is given."""
    epochs: float | None = Field(None, gt=0, le=1000)
    """How often each row is used."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give the length either as steps or as epochs")
        return self

    def training(self, rows: int) -> Training:
        """Returns the settings for a file of so many rows."""
        steps = self.steps or max(1, math.ceil((self.epochs or 0) * rows / self.batch))
        return Training(**self.model_dump(exclude={"steps", "epochs"}), steps=steps)


def read(path: Path) -> FineTuning:
    """Reads the settings from a TOML file: its keys are at the top level, or under ``[student]`` as in a recipe.

    Raises:
        UndertoneError: the file is missing or wrong; names the key.
    """
    return read_toml(path, lambda found: FineTuning.model_validate(found.get("student", found)), "the training")
