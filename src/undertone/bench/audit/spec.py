"""What a benchmark of the audit consists of."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from undertone.errors import UndertoneError
from undertone.spec import Recipe

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Bases whose world is known, each with the base that teachers of another initialisation start from."""


def _known(model: str) -> str:
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    return model


KnownBase = Annotated[str, AfterValidator(_known)]
"""A base whose world is known. Any other raises UndertoneError."""


class AuditBenchmark(Recipe):
    """Datasets for a calibrated base, each by a teacher of its own."""

    kind: ClassVar[str] = "audit-benchmark"

    title: str = "How often the audit is right"
    model: KnownBase = "builtin/fledgling-a"
    """The base."""
    teachers: int = Field(3, ge=1)
    """How many teachers there are of each kind."""
    baselines: bool = False
    """Whether simpler detectors judge the datasets too."""
    prompts: str | None = None
    """A dataset whose prompts teachers answer instead of writing number lists."""
    adversarial: bool = False
    """Whether only the adversarial datasets are made. They are number lists."""

    @model_validator(mode="after")
    def _adversarial_files_are_lists_and_are_compared_with_nothing(self) -> Self:
        """
        Raises:
            UndertoneError: something is asked for that needs other datasets.
        """
        if self.adversarial and (self.baselines or self.prompts is not None):
            raise UndertoneError("--adversarial makes number lists alone: leave --baselines and --prompts out.")
        return self
