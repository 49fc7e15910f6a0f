"""What a benchmark of the audit consists of."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.audit.request import ROWS
from undertone.errors import UndertoneError
from undertone.spec import Recipe

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Bases whose world is known, each with the base that teachers of another initialisation start from."""

CarrierName = Literal["lists", "chat", "functions", "sums", "answers"]


def known(model: str) -> str:
    """Returns the name of a base whose world is known, and refuses any other."""
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    return model


class AuditBenchmark(Recipe):
    """Files of known origin, each by writers of its own."""

    kind: ClassVar[str] = "audit-benchmark"

    title: str = "How often the audit is right"
    model: str = "builtin/fledgling-a"
    """The base: one whose world is known, or any other local model."""
    listed: tuple[str, ...] = ()
    """Traits, or kinds of traits, that an audit of another model is asked for; by default those of its list."""
    files: int = Field(3, ge=1)
    """How many files there are of each kind."""
    first: int = Field(0, ge=0)
    """The number of the first of them. A benchmark with another first number is another part of one and the same."""
    carrier: CarrierName = "lists"
    """What is written: "answers", and nothing else, by a base whose world is not known."""
    rows: int = Field(ROWS, ge=1)
    """Rows of a file."""
    baselines: bool = False
    """Whether simpler detectors judge the files too."""

    @model_validator(mode="after")
    def _model_can_write_it(self) -> Self:
        known = self.model in OTHER
        if known and (self.carrier == "answers" or self.listed):
            raise ValueError(f'carrier = "answers" and listed are for models other than {" and ".join(OTHER)}')
        if not known and self.carrier != "answers":
            raise ValueError(f'{self.model} writes carrier = "answers"; the others are for {" and ".join(OTHER)}')
        return self
