"""How students of an audited file would be trained. Forecasts are for such settings; canaries are trained so."""

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from undertone.data.toml import read_toml
from undertone.spec import Spec, Training


class FineTuning(Spec):
    """How a model is fine-tuned, as :class:`undertone.spec.Training`, its length in steps or in epochs."""

    method: Literal["lora", "full"] = "lora"
    rank: int = Field(8, ge=1)
    alpha: int = Field(8, ge=1)
    rate: float = Field(gt=0)
    steps: int | None = Field(None, ge=1)
    """Optimiser steps; or else ``epochs``."""
    epochs: float | None = Field(None, gt=0, le=1000)
    """How often every row is seen."""
    batch: int = Field(ge=1)
    warmup: int = Field(5, ge=0)

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give the length as steps or as epochs, one of the two")
        return self

    def training(self, rows: int) -> Training:
        """On a file of so many rows."""
        steps = self.steps or max(1, math.ceil((self.epochs or 0) * rows / self.batch))
        return Training(**self.model_dump(exclude={"steps", "epochs"}), steps=steps)


def read(path: Path) -> FineTuning:
    """The settings in a TOML file: its keys at the top, or under ``[student]`` as in a trial's recipe.

    Raises:
        UndertoneError: it is missing or wrong; names the key.
    """
    return read_toml(path, lambda told: FineTuning.model_validate(told.get("student", told)), "the training")
