"""A page presents findings: a headline, then figures, tables and texts in reading order.

Other packages turn their findings into a :class:`Page`. :mod:`undertone.report.terminal`,
:mod:`undertone.report.html` and :mod:`undertone.report.markdown` render it, and make text of models and files safe to
look at.
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
    """Numbers are aligned right. Words are short; texts are long, or were written by a model."""
    terminal: bool = True
    """Whether the terminal, which has room for few columns, shows it."""


def word(name: str, terminal: bool = True) -> Column:
    """A column of words."""
    return Column(name, "word", terminal)


def text(name: str) -> Column:
    """A column of texts."""
    return Column(name, "text")


@dataclass(frozen=True)
class Grid:
    """A table. Its first column contains the names of the rows. A column given only as a name contains numbers."""

    title: str
    columns: tuple[str | Column, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = frozenset()
    """Indices of the rows on which the verdict rests."""
    dim: frozenset[int] = frozenset()
    """Indices of the rows that do not count."""
    swatches: tuple[str, ...] = ()
    """For each row the colour of its marks in the figures."""
    note: str = ""
    """A note below the table, such as what it leaves out."""
    terminal: bool = True
    """Whether the terminal shows this table."""

    @property
    def heads(self) -> tuple[Column, ...]:
        """All columns as columns; the first is of words."""
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
    """A table with one row for each item; None if there is no item. ``columns`` maps each column to a function of an
    item, whose value is shown: a whole number with commas, None as a dash.
    """
    some = list(items)
    if not some:
        return None
    return Grid(
        title,
        tuple(columns),
        tuple(tuple(_cell(value_of(item)) for value_of in columns.values()) for item in some),
        bold=frozenset(at for at, item in enumerate(some) if bold(item)),
        dim=frozenset(at for at, item in enumerate(some) if dim(item)),
        swatches=tuple(map(swatch, some)) if swatch else (),
        note=note,
        terminal=terminal,
    )


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True)
class Drawing:
    """A figure with a text that explains how to read it."""

    figure: Figure | None
    """None if there is nothing to draw; the drawing is then left out."""
    note: str


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    note: bool = False
    """Notes are smaller; they explain what is above them."""


@dataclass(frozen=True)
class Terms:
    """Names with their explanations, or checks with their results."""

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
    """Shown when the reader points at it."""


@dataclass(frozen=True)
class Reading:
    """A text to read: a question, and the answers of one or several models."""

    asked: str
    answers: tuple[tuple[str, str | tuple[Token, ...]], ...]
    """(name, answer), side by side if there are two."""
    head: str = ""
    before: tuple[str, ...] = ()
    """What came before the question: a system prompt, earlier turns."""
    reveal: str = ""
    """Shown only on request."""


@dataclass(frozen=True)
class Fold:
    """Blocks that are folded until the reader opens them."""

    summary: str
    blocks: tuple[Block, ...]


Block = Grid | Drawing | Prose | Terms | Steps | Reading | Fold


@dataclass(frozen=True)
class Section:
    """A heading with the blocks below it."""

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
    """All that is shown of some findings."""

    title: str
    headline: str
    """The result, in one sentence or a few."""
    done: str = ""
    """What was done to get the result."""
    verdict: Verdict | None = None
    checks: tuple[tuple[str, str], ...] = ()
    """(name, sentence) for each thing on which the verdict rests."""
    notices: tuple[str, ...] = ()
    """What a reader must know first, such as that a run is not finished."""
    sections: tuple[Section, ...] = ()
    listings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings, versions, digests: folded at the end."""
    footer: str = ""

    @property
    def figures(self) -> dict[str, Figure]:
        """All figures, also those in folds, by their names."""
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
    """A section of the blocks that have content; None if there is none but prose."""
    there = [block for block in blocks if block is not None and not (isinstance(block, Drawing) and not block.figure)]
    return Section(heading, tuple(there)) if any(not isinstance(block, Prose) for block in there) else None


def sections(*some: Section | None) -> tuple[Section, ...]:
    """The sections that have content."""
    return tuple(one for one in some if one is not None)


ALPHA = 0.05
"""The largest p of an effect that is claimed."""


def badge(sign: str, p: float | None, word: str, meaning: str) -> Verdict:
    """Returns the verdict on an effect by the side of zero on which its interval lies, "above", "below" or "unclear",
    and by its p value, if it has one. ``word`` and ``meaning`` are for one above zero."""
    claimed = p is None or p <= ALPHA
    return {
        "above": Verdict(word, meaning, "red"),
        "below": Verdict(
            "the opposite", "The effect is there, but it points the other way than was expected.", "violet"
        ),
        "unclear": Verdict(
            "not shown", "What was seen may be chance. That does not prove that there is nothing.", "amber"
        ),
    }[sign if claimed else "unclear"]


def run_page(
    found: RunFindings,
    headline: str,
    done: str,
    *parts: Section | None,
    measured: Iterable[Measured] = (),
    listings: Mapping[str, Mapping[str, Any]] | None = None,
    verdict: Verdict | None = None,
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
        verdict=verdict,
        checks=checks,
        notices=notices,
        sections=sections(*parts, section("Methods", methods) if methods.items else None),
        listings={
            "Settings": found.settings,
            **(listings or {}),
            "Versions": found.versions | ({"commit": found.commit} if found.commit else {}),
            "Hardware": found.hardware,
        },
        footer=f"Recipe {found.recipe}, started {started}, took {duration(found.wall_s)}. {FOOTER}",
    )


def shown(value: Measured, signed: bool = True) -> str:
    """+0.41 [0.36, 0.47]"""
    return f"{value.value:{'+z' if signed else ''}.3f} {interval(value.ci)}"


FOOTER = (
    "Every number of this page is in report.json beside it, and every figure is in figures/ as PNG, SVG and Vega-Lite."
)
