"""A page for the terminal, as objects that Rich prints."""

from collections.abc import Iterable, Iterator
from itertools import compress

from rich.console import RenderableType
from rich.text import Text

from undertone.reading.hostile import one_line
from undertone.report.fitting import Fitting
from undertone.report.page import Grid, Page


def to_terminal(page: Page) -> Iterator[RenderableType]:
    """The tables, then the headline and the checks. On a page with a verdict that rests on checks, the headline comes
    first."""
    answer = _lines([*page.notices, page.headline])
    rests_on = _lines(f"{name}: {sentence}" for name, sentence in page.checks)
    grids = [
        (block, section.heading)
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Grid) and block.terminal
    ]
    tables: list[RenderableType] = [table(grid, heading if len(grids) > 1 else "") for grid, heading in grids]
    if page.verdict is None or not page.checks:
        yield from [*tables, *answer, *rests_on]
    else:
        yield from [*answer, *tables, *rests_on]


def _lines(texts: Iterable[str]) -> list[RenderableType]:
    return [Text(one_line(text)) for text in texts]


def table(grid: Grid, heading: str = "") -> Fitting:
    """One table, with the columns for the terminal. Without a title of its own it has ``heading`` as title."""
    shown = [head.terminal for head in grid.heads]
    columns = [(one_line(head.name), head.kind == "number") for head in compress(grid.heads, shown)]
    made = Fitting(columns, one_line(grid.title or heading), one_line(grid.note), rule=True)
    for place, row in enumerate(grid.rows):
        style = "bold" if place in grid.bold else "dim" if place in grid.dim else ""
        made.add(*(one_line(cell) for cell in compress(row, shown)), style=style)
    return made
