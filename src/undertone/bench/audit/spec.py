"""What a benchmark of the audit consists of."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

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
