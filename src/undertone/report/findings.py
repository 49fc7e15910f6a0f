"""The content of every ``report.json``: the frozen numbers that a page is made from."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import JsonValue, field_validator

from undertone.errors import UndertoneError
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value
from undertone.spec import Spec

if TYPE_CHECKING:
    from undertone.statistics.estimate import Estimate

Interval = tuple[float, float]
Side = Literal["above", "below", "unclear"]
LARGEST = 2**26
"""Most bytes of a ``report.json``."""


def side(ci: Interval | None) -> Side:
    """Returns on which side of zero the whole interval lies; "unclear" if it contains zero or is missing."""
    if ci is None or ci[0] <= 0 <= ci[1]:
        return "unclear"
    return "above" if ci[0] > 0 else "below"


class Part(Spec):
    """A part of the findings. A number that is infinite or missing is None."""

    @field_validator("*", mode="before")
    @classmethod
    def _without_half_characters(cls, value: Any) -> Any:
        """Replaces lone surrogates, which file names and answers can contain and JSON cannot store."""
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
            text = read_bytes(path, LARGEST)
            json_value(text)  # bounds what Pydantic reads
            return cls.model_validate_json(text)
        except OSError as error:
            raise UndertoneError(f"The report {path} cannot be read: {error.strerror}.") from None
        except ValueError:
            raise UndertoneError(
                f"{path} is damaged, or is not a report of undertone {cls.written_by}: give another, or give the "
                "command that wrote it again."
            ) from None


FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError, ValueError)


@contextmanager
def presenting(path: Path) -> Generator[None]:
    """Turns what goes wrong while a page is made from a ``report.json`` into a sentence: each of its numbers is of the
    right kind, but an edited file may hold numbers that do not fit together.

    Raises:
        UndertoneError: the page cannot be made.
    """
    try:
        yield
    except FAULTS as error:
        raise UndertoneError(
            f"The numbers in {path} do not fit together ({type(error).__name__}: {error!s:.80}): it was edited or is "
            "damaged. Give the command that wrote it again."
        ) from error


class RunFindings(Findings):
    """The findings of an experiment, with its settings and what it ran on."""

    title: str
    """The question, in one line."""
    recipe: str
    """The name of the recipe, or of its file."""
    settings: dict[str, JsonValue]
    """The complete recipe."""
    versions: dict[str, str]
    """Versions of Python and of the libraries."""
    commit: str | None = None
    """The git commit of the package that gathered these findings, followed by "and changes" if its files differed from
    it; None if it did not run from a checkout."""
    hardware: dict[str, str]
    """The machine."""
    started: datetime
    """When the run started."""
    wall_s: float = 0.0
    """How many seconds it took."""


class Measured(Part):
    """A mean over independent units with its 95 % interval."""

    value: float
    """The mean."""
    ci: Interval | None
    """The interval; None if the units do not vary or are too few."""
    p: float | None = None
    """Two-sided p value, if a hypothesis was tested."""
    units: int
    """Number of independent units, such as teachers or initialisations."""
    method: str
    """How the interval and the p value were computed."""

    @property
    def sign(self) -> Side:
        """On which side of zero the whole interval lies."""
        return side(self.ci)

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """An estimate, as it is stored."""
        ci = (estimate.ci_low, estimate.ci_high)
        return cls(
            value=estimate.value,
            ci=ci if all(map(isfinite, ci)) else None,
            p=estimate.p,
            units=estimate.units[0],
            method=estimate.method,
        )
