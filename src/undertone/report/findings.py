"""What every ``report.json`` holds: frozen numbers that a page is made of, and nothing else."""

from __future__ import annotations

import re
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, field_validator

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.statistics.estimate import Estimate

Interval = tuple[float, float]
Side = Literal["above", "below", "unclear"]


def side(ci: Interval | None) -> Side:
    """Returns on which side of zero the whole interval lies; "unclear" if it contains zero or is missing."""
    if ci is None or ci[0] <= 0 <= ci[1]:
        return "unclear"
    return "above" if ci[0] > 0 else "below"


class Part(BaseModel):
    """A frozen part of the findings. A number that is infinite or missing is None; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _without_half_characters(cls, value: Any) -> Any:
        """File names and model answers may hold lone surrogates, which JSON cannot store; they are replaced."""
        return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


class Findings(Part):
    """The whole of a ``report.json``."""

    written_by: ClassVar[str] = "run"
    """The command that writes it."""

    def json_text(self) -> str:
        """The text of ``report.json``."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a ``report.json``.

        Raises:
            UndertoneError: the file cannot be read, or another command wrote it.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UndertoneError(f"The report {path} cannot be read: {error.strerror}.") from None
        except ValidationError:
            raise UndertoneError(
                f"{path} is damaged, or is no report that undertone {cls.written_by} wrote: give another, or give the "
                "command that wrote it again."
            ) from None


class RunFindings(Findings):
    """The findings of an experiment, with what it was and what it ran on."""

    title: str
    """The question, in one line."""
    recipe: str
    """The name of the recipe, or of its file."""
    settings: dict[str, JsonValue]
    """The whole recipe, resolved."""
    versions: dict[str, str]
    """Versions of Python and of the libraries."""
    hardware: dict[str, str]
    """The machine."""
    started: datetime
    """When the run began."""
    wall_s: float = 0.0
    """How many seconds it took."""


class Measured(Part):
    """A mean over independent units with its 95 % interval."""

    value: float
    """The mean."""
    ci: Interval | None
    """The interval; None where the units do not vary, or where there are too few of them."""
    p: float | None = None
    """Two-sided p, where a hypothesis was tested."""
    units: int
    """How many independent units there are: teachers, or initialisations."""
    method: str
    """How the interval and p were computed."""

    @property
    def sign(self) -> Side:
        """On which side of zero the whole interval lies."""
        return side(self.ci)

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """The form in which an estimate is stored."""
        ci = (estimate.ci_low, estimate.ci_high)
        return cls(
            value=estimate.value,
            ci=ci if all(map(isfinite, ci)) else None,
            p=estimate.p,
            units=estimate.units[0],
            method=estimate.method,
        )
