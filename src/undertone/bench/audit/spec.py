"""What a benchmark of the audit consists of."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from undertone.errors import UndertoneError
from undertone.spec import Recipe

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Bases whose world is known, each with the base that teachers of another initialisation start from."""

CarrierName = Literal["lists", "chat", "functions", "sums"]


def _known(model: str) -> str:
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    return model


KnownBase = Annotated[str, AfterValidator(_known)]
"""A base whose world is known. Any other raises UndertoneError."""


class AuditBenchmark(Recipe):
    """Files of known origin, each by writers of its own."""

    kind: ClassVar[str] = "audit-benchmark"

    title: str = "How often the audit is right"
    model: KnownBase = "builtin/fledgling-a"
    """The base."""
    files: int = Field(3, ge=1)
    """How many files there are of each kind."""
    carrier: CarrierName = "lists"
    """What is written."""
    baselines: bool = False
    """Whether simpler detectors judge the files too."""
