"""What ``figures.toml`` holds: where every report comes from, and the rows of the tables."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from results.places import PLACEHOLDER
from undertone.data.toml import read_toml
from undertone.spec import Spec, Text

Commit = Annotated[str, Field(pattern="^[0-9a-f]{7,40}$")]


class Origin(Spec):
    """Where a report comes from."""

    command: Text
    """What gives it, as in ``undertone run digits --seed 101``."""
    commit: Commit
    """The code that it was run with."""
    gathered: Commit | None = None
    """The code that made the report anew from what that run had made; None if the same."""
    gone: Commit | None = None
    """The commit since which the command does not exist in this form; None while it does."""


class Row(Spec):
    """A question and its answer, in which every figure is a placeholder (:mod:`results.places`)."""

    question: Text
    published: str = ""
    """What others found, and where: the only figures that are typed."""
    answer: Text
    """The answer in docs/results.md."""
    asked: Text | None = None
    """The question in the README's table, in few words, if it has a row there."""
    headline: Text | None = None
    """The answer there."""
    kind: Literal["confirmatory", "exploratory"]
    criteria: Commit | None = None
    """The commit of a confirmatory row's criteria."""
    amended: tuple[Commit, ...] = ()
    """Commits that changed them after the run had started."""
    looks: int = Field(ge=1)
    """How often the question was put to data, this time included."""

    @model_validator(mode="after")
    def _has_criteria(self) -> Self:
        if (self.kind == "confirmatory") != (self.criteria is not None):
            raise ValueError("a confirmatory row has the commit of its criteria, an exploratory row has none")
        if (self.asked is None) != (self.headline is None):
            raise ValueError("a row of the README has both asked and headline")
        if self.amended and self.criteria is None:
            raise ValueError("an exploratory row has no criteria that were amended")
        return self

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers in all tables."""
        return tuple(filter(None, (self.answer, self.headline)))

    @property
    def reports(self) -> tuple[str, ...]:
        """The reports that the answers rest on."""
        return tuple(dict.fromkeys(found[1] for text in self.answers for found in PLACEHOLDER.finditer(text)))


class Entries(Spec):
    """All of ``figures.toml``."""

    reports: dict[str, Origin]
    """By the name of the report's file, without its ending."""
    rows: tuple[Row, ...]


def read(folder: Path) -> Entries:
    """Reads ``figures.toml``. Raises UndertoneError if it is not as described here."""
    return read_toml(folder / "figures.toml", Entries.model_validate, "the file")
