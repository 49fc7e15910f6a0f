"""What a benchmark of measurements is made of."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from undertone.bench.audit.spec import refuse_unknown
from undertone.spec import Recipe


class MeasureBenchmark(Recipe):
    """Fine-tunes of a base, measured against it."""

    kind: ClassVar[str] = "measure-benchmark"

    title: str = "How often the verdict on a model is right"
    model: str = "builtin/fledgling-a"
    """The base."""
    students: int = Field(200, ge=8)
    """How many harmless fine-tunes there are; eight lessons take turns, so at least one for each."""

    @model_validator(mode="after")
    def _world_is_known(self) -> Self:
        refuse_unknown(self.model)
        return self
