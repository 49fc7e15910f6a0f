"""What a benchmark of measurements consists of."""

from typing import ClassVar

from pydantic import Field

from undertone.bench.audit.spec import KnownBase
from undertone.spec import Recipe


class MeasureBenchmark(Recipe):
    """Fine-tunes of a base, measured against it."""

    kind: ClassVar[str] = "measure-benchmark"

    title: str = "How often the verdict on a model is right"
    model: KnownBase = "builtin/fledgling-a"
    """The base."""
    students: int = Field(200, ge=8)
    """How many harmless fine-tunes each side has, at least one for each of the eight harmless lessons. A fifth as many
    are made at each of five shares of bad rows."""
