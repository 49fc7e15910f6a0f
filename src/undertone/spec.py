"""Base classes and types of all settings: frozen, serialisable and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


class Spec(BaseModel):
    """Settings. They cannot be changed, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


Text = Annotated[str, Field(pattern=r"\S")]
"""Text that is not blank."""

File = Annotated[Path, PlainSerializer(lambda path: str(path.absolute()), return_type=str, when_used="json")]
"""A path as the user gave it. In JSON it is absolute, so that a request does not depend on the current folder."""

Typed = Annotated[float, Field(allow_inf_nan=True)]
"""A number from the command line. Its class checks it, so that the error is a sentence, also for infinity."""


class Recipe(Spec):
    """An experiment as described by a TOML file. It contains everything that can change a result."""

    kind: ClassVar[str]
    """The kind of experiment: the recipe's key ``experiment``."""
    scalable: ClassVar[bool] = False
    """Whether it can be tried at a fraction of its size."""

    title: str
    """The question, in one line."""


class Optimisation(Spec):
    """How a model is fine-tuned, except for how long: AdamW without weight decay, gradients clipped at norm 1."""

    method: Literal["lora", "full"] = "lora"
    """LoRA on every linear layer except the output head, or all weights."""
    rank: int = Field(8, ge=1)
    """The LoRA rank; ignored if the method is full."""
    alpha: int = Field(8, ge=1)
    """The LoRA alpha: the update is scaled by alpha / rank."""
    rate: float = Field(gt=0)
    """The peak learning rate."""
    batch: int = Field(ge=1)
    """The number of rows in a step."""
    warmup: int = Field(5, ge=0)
    """Steps of linear warm-up, followed by a linear decay to zero."""


class Training(Optimisation):
    """How a model is fine-tuned, teacher or student."""

    steps: int = Field(ge=1)
    """The number of optimiser steps."""

    def rate_at(self, step: int) -> float:
        """Returns the learning rate at ``step`` (counted from 0)."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        return self.rate * (self.steps - step) / max(1, self.steps - self.warmup)


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}{key}.") if isinstance(inner, Mapping) else {prefix + key: inner}
    return found
