"""What is said of findings, whoever found them: a sentence, figures, tables and texts, in reading order.

A room that has findings turns them into a :class:`Page`. :mod:`undertone.report.terminal`,
:mod:`undertone.report.html` and :mod:`undertone.report.markdown` draw every page in the same way, and they are the only
places where text of models and files is made safe to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from undertone.report.canvas import Figure
from undertone.report.findings import Measured, RunFindings
from undertone.report.words import duration, interval

Colour = Literal["red", "blue", "amber", "violet", "grey"]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    kind: Literal["number", "word", "text"] = "number"
    """Numbers stand at the right. Words are short; texts are long, or were written by a model."""
    terminal: bool = True
    """Whether the terminal shows it: eighty characters hold few columns."""


def word(name: str, terminal: bool = True) -> Column:
    """A column of words."""
    return Column(name, "word", terminal)


def text(name: str) -> Column:
    """A column of texts."""
    return Column(name, "text")


@dataclass(frozen=True)
class Grid:
    """A table. The first column names the row; a column that is given by its name alone holds numbers."""

    title: str
    columns: tuple[str | Column, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = frozenset()
    """Rows that the verdict rests on, by their place."""
    dim: frozenset[int] = frozenset()
    """Rows that do not count."""
    swatches: tuple[str, ...] = ()
    """One colour for each row: that of its marks in the figures."""
    note: str = ""
    """What the table leaves out, below it."""
    terminal: bool = True
    """Whether the terminal shows this table."""

    @property
    def heads(self) -> tuple[Column, ...]:
        """The columns; the first one is the name of the row."""
        first, *others = (Column(c) if isinstance(c, str) else c for c in self.columns)
        return (Column(first.name, "word", True), *others)


T = TypeVar("T")


def grid(
    title: str,
    items: Iterable[T],
    columns: Mapping[str | Column, Callable[[T], object]],
    bold: Callable[[T], bool] = lambda _: False,
    dim: Callable[[T], bool] = lambda _: False,
    swatch: Callable[[T], str] | None = None,
    note: str = "",
    terminal: bool = True,
) -> Grid | None:
    """A table with one row for each item: every column beside what it says of an item. None where there is no item.

    A whole number is written with commas, and what is None as a dash.
    """
    some = list(items)
    return (
        Grid(
            title,
            tuple(columns),
            tuple(tuple(_cell(told(item)) for told in columns.values()) for item in some),
            bold=frozenset(at for at, item in enumerate(some) if bold(item)),
            dim=frozenset(at for at, item in enumerate(some) if dim(item)),
            swatches=tuple(map(swatch, some)) if swatch else (),
            note=note,
            terminal=terminal,
        )
        if some
        else None
    )


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True)
class Drawing:
    """A figure with the sentence that says how to read it."""

    figure: Figure | None
    """None where there is nothing to draw: the drawing is then left out."""
    note: str


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    note: bool = False
    """A note is smaller: it explains what stands above it."""


@dataclass(frozen=True)
class Terms:
    """Names and what they mean, or checks and how they ended."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Steps:
    """A numbered list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """A piece of a shaded text."""

    text: str
    shade: float
    """From -1 (away from the trait) to 1 (towards it)."""
    title: str = ""
    """What is shown when somebody points at it."""


@dataclass(frozen=True)
class Reading:
    """A text to read: what was asked, and what one or several models answered."""

    asked: str
    answers: tuple[tuple[str, str | tuple[Token, ...]], ...]
    """(whose, what), side by side where there are two."""
    head: str = ""
    before: tuple[str, ...] = ()
    """What stood before the question: a system prompt, earlier turns."""
    reveal: str = ""
    """What is shown on request alone."""


@dataclass(frozen=True)
class Fold:
    """Blocks that are closed until somebody opens them."""

    summary: str
    blocks: tuple[Block, ...]


Block = Grid | Drawing | Prose | Terms | Steps | Reading | Fold


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Verdict:
    """One of a few words, and what it means."""

    word: str
    meaning: str
    colour: Colour


@dataclass(frozen=True)
class Page:
    """All that is said of some findings."""

    title: str
    headline: str
    """The answer in one sentence or a few."""
    done: str = ""
    """What was done to get it."""
    verdict: Verdict | None = None
    checks: tuple[tuple[str, str], ...] = ()
    """What the verdict rests on: (name, sentence)."""
    notices: tuple[str, ...] = ()
    """What a reader must know before anything else: that a run is not finished."""
    sections: tuple[Section, ...] = ()
    listings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings, versions, digests: folded at the end."""
    footer: str = ""

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its name, those in folds too."""
        found: dict[str, Figure] = {}
        left = [block for section in self.sections for block in section.blocks]
        while left:
            match left.pop(0):
                case Drawing(figure=Figure() as figure):
                    found[figure.name] = figure
                case Fold(blocks=blocks):
                    left = [*blocks, *left]
        return found


def section(heading: str, *blocks: Block | None) -> Section | None:
    """A section of the blocks that are there; None where there is none, or where all that is left is prose."""
    there = [block for block in blocks if block is not None and not (isinstance(block, Drawing) and not block.figure)]
    return Section(heading, tuple(there)) if any(not isinstance(block, Prose) for block in there) else None


def sections(*some: Section | None) -> tuple[Section, ...]:
    """Those that have something to show."""
    return tuple(one for one in some if one is not None)


def run_page(
    found: RunFindings,
    headline: str,
    done: str,
    *parts: Section | None,
    measured: Iterable[Measured] = (),
    listings: Mapping[str, Mapping[str, Any]] | None = None,
    checks: tuple[tuple[str, str], ...] = (),
    notices: tuple[str, ...] = (),
) -> Page:
    """Returns the page of an experiment: those ``parts`` that have content, then how the ``measured`` estimates were
    computed; folded at the end its settings, ``listings``, versions and hardware."""
    methods = Steps(tuple(dict.fromkeys(one.method for one in measured)))
    started = found.started.isoformat(" ", "seconds")
    return Page(
        title=found.title,
        headline=headline,
        done=done,
        checks=checks,
        notices=notices,
        sections=sections(*parts, section("Methods", methods) if methods.items else None),
        listings={
            "Settings": found.settings,
            **(listings or {}),
            "Versions": found.versions,
            "Hardware": found.hardware,
        },
        footer=f"Recipe {found.recipe}, started {started}, took {duration(found.wall_s)}. {FOOTER}",
    )


def shown(value: Measured, signed: bool = True) -> str:
    """+0.41 [0.36, 0.47]"""
    return f"{value.value:{'+z' if signed else ''}.3f} {interval(value.ci)}"


FOOTER = "Every number of this page is in report.json beside it, and every figure is in figures/ as Vega-Lite."
