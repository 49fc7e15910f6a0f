"""What a benchmark of the audit is made of."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from undertone.spec import Recipe

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Bases whose world is known, each with the base whose teachers are those of another initialisation."""


class AuditBenchmark(Recipe):
    """Datasets that are planted on a calibrated base, each by a teacher of its own."""

    kind: ClassVar[str] = "audit-benchmark"

    title: str = "How often the audit is right"
    model: str = "builtin/fledgling-a"
    """The base."""
    teachers: int = Field(3, ge=1)
    """How many teachers there are of each kind."""
    baselines: bool = False
    """Whether simpler detectors judge the datasets too."""
    prompts: str | None = None
    """A dataset whose prompts teachers answer in place of writing number lists."""

    @model_validator(mode="after")
    def _world_is_known(self) -> Self:
        refuse_unknown(self.model)
        return self


def refuse_unknown(model: str) -> None:
    """Raises ValueError for a base whose world is not known."""
    if model not in OTHER:
        raise ValueError(f"the benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}")
