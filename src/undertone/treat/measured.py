"""What the benchmark measured for each shipped treatment: kept in a small file that the benchmark itself writes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from undertone.digests import digest
from undertone.disk import write_text
from undertone.errors import UndertoneError
from undertone.specs import Spec
from undertone.treat.findings import PLAIN, Findings, Share, Word

FILE = Path(__file__).parent / "measured.toml"
HEAD = "# Written by undertone bench treat --record; never by hand.\n"


class Line(Spec):
    """What one treatment did in one benchmark."""

    does: dict[str, Any]
    word: Word
    left: float
    """Share of the transfer that is left on the standard questions."""
    left_ci: tuple[float, float] | None = None
    """95 %; none: unbounded."""
    utility: float
    utility_ci: tuple[float, float] | None = None


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
        """What was measured for exactly this treatment: recipe, benchmark, figures."""
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
        return Measured.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise UndertoneError(f"{path} cannot be read ({' '.join(str(error).split())[:120]}).") from None


def record(findings: Findings, path: Path) -> None:
    """Writes a benchmark's figures in place of its earlier ones; those of other recipes stay."""
    entry = Record(
        title=findings.title,
        digest=digest_of(findings.settings),
        version=findings.made_with["undertone"],
        units=len(findings.units),
        treatments={
            one.name: Line(
                does=one.does,
                word=one.word,
                left=round(one.left[PLAIN].value, 4),
                left_ci=_ends(one.left[PLAIN]),
                utility=round(one.utility.value, 4),
                utility_ci=_ends(one.utility),
            )
            for one in findings.treatments
        },
    )
    kept = Measured(benchmarks=read(path).benchmarks | {findings.recipe: entry})
    write_text(path, HEAD + _toml(kept))


def digest_of(settings: Mapping[str, Any]) -> str:
    """Short digest of a benchmark's settings."""
    return digest(settings)[:16]


def _ends(found: Share) -> tuple[float, float] | None:
    return found.ci and (round(found.ci[0], 4), round(found.ci[1], 4))


def _toml(measured: Measured) -> str:
    """Strings and numbers are written alike in JSON and TOML."""
    parts = []
    for recipe, one in measured.benchmarks.items():
        parts.append(f"\n[benchmarks.{recipe}]\n" + _keys(one.model_dump(exclude={"treatments"})))
        for name, line in one.treatments.items():
            parts.append(f"\n[benchmarks.{recipe}.treatments.{name}]\n" + _keys(line.model_dump()))
    return "".join(parts)


def _keys(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in values.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
