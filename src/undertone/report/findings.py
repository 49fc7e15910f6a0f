"""The content of every ``report.json``: the frozen numbers that a page is made from."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from html import escape
from math import isfinite
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import JsonValue, field_validator

from undertone.errors import UndertoneError, unknown
from undertone.reading.files import read_bytes
from undertone.reading.hostile import one_line
from undertone.reading.values import json_value
from undertone.spec import Spec

if TYPE_CHECKING:
    from pandas import DataFrame

    from undertone.report.canvas import Figure
    from undertone.report.page import Page
    from undertone.report.track import Tracker
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


def _are_parts(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Part)


class Findings(Part):
    """The whole of a ``report.json``, and what commands and Python functions return."""

    written_by: ClassVar[str] = "run"
    """The command that writes it."""
    shown_by: ClassVar[str]
    """The function that makes its page, as MODULE:FUNCTION, because what draws is slow to import."""
    table: ClassVar[str] = ""
    """The table that :meth:`to_pandas` gives if none is named; a dot leads into the parts of a table."""

    def page(self) -> Page:
        """What is shown of the findings: text, tables and figures."""
        page: Page = resolve_name(self.shown_by)(self)
        return page

    def figure(self, name: str | None = None) -> Figure:
        """Returns the first figure of the page, or the one of that name. A notebook shows it; its ``chart`` is an
        object of Altair, which can be changed and saved.

        Raises:
            UndertoneError: there is no figure, or none of that name.
        """
        figures = self.page().figures
        if not figures:
            raise UndertoneError("There is nothing to draw in these findings, so they have no figure.")
        if name is not None and name not in figures:
            raise unknown("figure", name, figures)
        return figures[name or next(iter(figures))]

    def to_pandas(self, table: str | None = None) -> DataFrame:
        """Returns a table of the findings, by default :attr:`table`, as a pandas data frame with numbers as numbers.
        ``table`` is the name of a field with several parts, such as "arms", or of one inside it, as in "arms.students".

        Raises:
            UndertoneError: pandas is not installed, or there is no such table.
        """
        from undertone.report.frame import frame

        return frame(self, table or self.table)

    def save(self, folder: str | Path) -> Path:
        """Writes ``report.html``, ``report.json`` and the figures into a folder, in place of an earlier report there.
        Returns the path of the page.

        Raises:
            UndertoneError: the folder cannot be written, or holds a run or the report of a command.
        """
        from undertone.report.html import write

        if (Path(folder) / "run.json").exists():
            raise UndertoneError(f"{folder} holds what an undertone command wrote, which is kept; name another folder.")
        return write(self, self.page(), Path(folder))

    def track(self, tracker: Tracker, name: str | None = None) -> None:
        """Sends the numbers of the main table and the report to an experiment tracker: to the run that is open in this
        process, or else to a new one. The library's own settings say where that is.

        Args:
            tracker: "mlflow", "wandb" or "tensorboard". Its library must be installed.
            name: The name of a new run; None: that of the verb.

        Raises:
            UndertoneError: there is no such tracker, its library is missing, or it cannot be reached.
        """
        from undertone.report.track import track

        track(self, tracker, name or self.written_by)

    def __repr__(self) -> str:
        """One line: what was found, as far as a field says it, and the tables."""
        said = [getattr(self, name, "") for name in ("verdict", "title", "headline")]
        held = ", ".join(f"{name} ({len(value)})" for name, value in self if _are_parts(value))
        sentences = (text if text.endswith((".", "?")) else f"{text}." for text in said if text)
        return one_line(f"<{self.written_by}: {' '.join(sentences)}{f' Tables: {held}' if held else ''}>")

    def _repr_html_(self) -> str:
        """The page for a notebook, in a frame of its own: neither can style the other, and nothing in it can run."""
        from undertone.report.html import to_html

        style = "width:100%;height:36rem;border:0"
        return f'<iframe sandbox style="{style}" srcdoc="{escape(to_html(self.page()))}"></iframe>'

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
