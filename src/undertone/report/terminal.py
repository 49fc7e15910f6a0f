"""A page for the terminal, as objects that Rich prints."""

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Literal

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from undertone.reading.hostile import one_line
from undertone.report.page import Grid, Page


def to_terminal(page: Page) -> Iterator[RenderableType]:
    """The tables, then the headline and the checks. On a page with a verdict, the headline comes first."""
    answer = _lines([*page.notices, page.headline])
    rests_on = _lines(f"{name}: {sentence}" for name, sentence in page.checks)
    grids = [
        (block, section.heading)
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Grid) and block.terminal
    ]
    tables: list[RenderableType] = [table(grid, heading if len(grids) > 1 else "") for grid, heading in grids]
    if page.verdict is None:
        yield from [*tables, *answer, *rests_on]
    else:
        yield from [*answer, *tables, *rests_on]


def _lines(texts: Iterable[str]) -> list[RenderableType]:
    return [Text(one_line(text)) for text in texts]


def table(grid: Grid, heading: str = "") -> Table:
    """One table, with the columns for the terminal. Without a title of its own it has ``heading`` as title."""
    title = one_line(grid.title or heading)
    made = Table(
        title=Text(title) if title else None,
        caption=Text(one_line(grid.note)) if grid.note else None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown = [head.terminal for head in grid.heads]
    for head in compress(grid.heads, shown):
        side: Literal["left", "right"] = "right" if head.kind == "number" else "left"
        made.add_column(Text(one_line(head.name)), justify=side, overflow="fold")
    for place, row in enumerate(grid.rows):
        style = "bold" if place in grid.bold else "dim" if place in grid.dim else ""
        made.add_row(*(Text(one_line(cell)) for cell in compress(row, shown)), style=style)
    return made
