"""What the benchmarks measured for each shipped mitigation, read from ``measured.json``, which they write."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from undertone.errors import UndertoneError
from undertone.report.findings import Interval, Part
from undertone.spec import Spec

FILE = Path(__file__).with_name("measured.json")

Word = Literal["untreated", "hides", "shifts", "stops", "lowers", "not seen to help"]
"""The effect of a mitigation in one word."""


class Share(Part):
    """How much is left of something, as a share of what there is without the mitigation."""

    value: float
    """The share; 1 is all."""
    ci: Interval | None
    """The 95 % interval; None if it is unbounded, because the whole cannot be told from zero."""

    def __str__(self) -> str:
        """12 % [3, 40]"""
        ends = "unbounded" if self.ci is None else f"[{100 * self.ci[0]:z.0f}, {100 * self.ci[1]:z.0f}]"
        return f"{100 * self.value:z.0f} % {ends}"


class Line(Spec):
    """What one benchmark measured for one mitigation."""

    does: dict[str, Any]
    word: Word
    left: float
    """Share of the transfer that is left on the standard questions."""
    left_ci: tuple[float, float] | None = None
    """The 95 % interval; None if it is unbounded."""
    utility: float
    """Share of the utility that is left."""
    utility_ci: tuple[float, float] | None = None

    @property
    def shares(self) -> tuple[Share, Share]:
        """What is left of the transfer, and of the utility."""
        return Share(value=self.left, ci=self.left_ci), Share(value=self.utility, ci=self.utility_ci)

    def __str__(self) -> str:
        """lowers; 12 % [3, 40] of the transfer left, 98 % [95, 101] of the utility"""
        left, kept = self.shares
        return f"{self.word}; {left} of the transfer left, {kept} of the utility"


class Record(Spec):
    """All that one benchmark measured."""

    title: str
    digest: str
    """Digest of all its settings."""
    version: str
    """Version of Undertone."""
    units: int
    treatments: dict[str, Line]


class Measured(Spec):
    """The whole file."""

    benchmarks: dict[str, Record] = Field(default_factory=dict)
    """Benchmarks by recipe."""

    def of(self, does: Mapping[str, Any]) -> Iterator[tuple[str, Line]]:
        """Yields what was measured for exactly this mitigation, with the recipe of the benchmark."""
        for recipe, record in self.benchmarks.items():
            for line in record.treatments.values():
                if line.does == does:
                    yield recipe, line


def read(path: Path = FILE) -> Measured:
    """Reads the file; returns no benchmarks if it does not exist yet.

    Raises:
        UndertoneError: the file is damaged.
    """
    if not path.exists():
        return Measured()
    try:
        return Measured.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UndertoneError(f"{path} cannot be read ({' '.join(str(error).split())[:120]}).") from None
