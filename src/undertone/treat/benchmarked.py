"""What the benchmarks measured for each shipped mitigation: ``measured.json``, which the benchmark itself writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from undertone.errors import UndertoneError
from undertone.report.findings import Interval, Part
from undertone.spec import Spec

FILE = Path(__file__).with_name("measured.json")

Word = Literal["untreated", "hides", "shifts", "stops", "lowers", "not seen to help"]
"""What a mitigation does, in a word."""


class Share(Part):
    """What is left of something, as a share of it untreated: 1 is all."""

    value: float
    """The share."""
    ci: Interval | None
    """None where it is unbounded: the whole is not told apart from zero."""

    def __str__(self) -> str:
        """12 % [3, 40]"""
        ends = "unbounded" if self.ci is None else f"[{100 * self.ci[0]:z.0f}, {100 * self.ci[1]:z.0f}]"
        return f"{100 * self.value:z.0f} % {ends}"


class Line(Spec):
    """What one mitigation did in one benchmark."""

    does: dict[str, Any]
    word: Word
    left: float
    """Share of the transfer that is left on the standard questions."""
    left_ci: tuple[float, float] | None = None
    """95 %; none: unbounded."""
    utility: float
    utility_ci: tuple[float, float] | None = None

    def __str__(self) -> str:
        """lowers; 12 % [3, 40] of the transfer left, 98 % [95, 101] of the utility"""
        left, kept = Share(value=self.left, ci=self.left_ci), Share(value=self.utility, ci=self.utility_ci)
        return f"{self.word}; {left} of the transfer left, {kept} of the utility"


class Record(Spec):
    """One benchmark."""

    title: str
    digest: str
    """Of all its settings."""
    version: str
    """Of Undertone."""
    units: int
    treatments: dict[str, Line]


class Measured(Spec):
    """The whole file."""

    benchmarks: dict[str, Record] = Field(default_factory=dict)
    """By recipe."""

    def of(self, does: Mapping[str, Any]) -> list[tuple[str, Record, Line]]:
        """What was measured for exactly this mitigation: recipe, benchmark, figures."""
        return [
            (recipe, record, line)
            for recipe, record in self.benchmarks.items()
            for line in record.treatments.values()
            if line.does == dict(does)
        ]


def read(path: Path = FILE) -> Measured:
    """The file; empty where there is none yet.

    Raises:
        UndertoneError: it is damaged.
    """
    if not path.exists():
        return Measured()
    try:
        return Measured.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UndertoneError(f"{path} cannot be read ({' '.join(str(error).split())[:120]}).") from None
