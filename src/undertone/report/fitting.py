"""A table that fits its terminal: no word is broken and no name is cut, however narrow it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

TALLEST = 3
"""The most lines of a row. If one needed more, all rows are lists."""
GAP, INDENT = 2, 4


@dataclass
class Fitting:
    """A table that is as wide as it must be. Where there is less room, its texts have several lines. Where there is no
    room for that, each row is a list of its cells. Numbers stay on one line. All text is of one line."""

    columns: Sequence[tuple[str, bool]]
    """Names, and whether the column holds numbers, which are aligned right."""
    heading: str = ""
    note: str = ""
    rule: bool = False
    """Whether there is a line below the names."""
    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    """Cells and style."""

    def add(self, *cells: str, style: str = "") -> None:
        """Adds a row."""
        self.rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the table, between its heading and its note, as Rich asks for it."""
        room = options.max_width
        if self.heading:
            yield Text("\n".join(lines_of(self.heading, room)), style="italic")
        widths = self.widths(room)
        if widths is not None:
            yield self._table(widths)
        else:
            for cells, style in self.rows:
                for line in self._listed(cells, room):
                    yield Text(line, style=style)
        if self.note:
            yield Text("\n".join(lines_of(self.note, room)), style="dim italic")

    def widths(self, room: int) -> list[int] | None:
        """Returns the width of each column in a terminal of ``room`` characters; None if the table does not fit."""
        least, most = list[int](), list[int]()
        for i, (name, number) in enumerate(self.columns):
            cells = [cells[i] for cells, _ in self.rows]
            longest = max(map(cell_len, cells), default=0)
            words = [word for text in (name, *(() if number else cells)) for word in text.split()]
            least.append(max(longest if number else 0, *map(cell_len, words)))
            most.append(max(longest, least[-1] if number else cell_len(name)))
        free = room - GAP * (len(self.columns) - 1) - sum(least)
        if free < 0:
            return None
        widths = list(least)
        wanted = sorted(range(len(widths)), key=lambda i: most[i] - least[i])
        for left, i in zip(range(len(widths), 0, -1), wanted, strict=True):  # those that want little get it first
            more = min(most[i] - least[i], free // left)
            widths[i], free = widths[i] + more, free - more
        rows = (zip(cells, widths, strict=True) for cells, _ in self.rows)
        return None if any(len(lines_of(*one)) > TALLEST for row in rows for one in row) else widths

    def _table(self, widths: Sequence[int]) -> Table:
        between = GAP - self.rule  # a ruled table has a space of its own between columns
        box = SIMPLE_HEAD if self.rule else None
        table = Table(box=box, show_edge=False, pad_edge=False, padding=(0, between, 0, 0))
        for (name, number), width in zip(self.columns, widths, strict=True):
            table.add_column(_folded(name, width), justify="right" if number else "left", no_wrap=True)
        for cells, style in self.rows:
            table.add_row(*map(_folded, cells, widths), style=style)
        return table

    def _listed(self, cells: Sequence[str], room: int) -> Iterator[str]:
        """Yields the lines of a row: its name, and below it what the other columns say."""
        if cells[0]:
            yield from lines_of(cells[0], room)
        named = zip((name for name, _ in self.columns[1:]), cells[1:], strict=True)
        said = [f"{name}: {cell}" for name, cell in named if cell not in ("", "-")]
        if said:
            yield from lines_of(f"{' ' * INDENT}{'; '.join(said)}", room)


def _folded(text: str, width: int) -> Text:
    """Returns a text in lines of that width. Rich, which counts wide characters otherwise, is not to break any."""
    return Text("\n".join(lines_of(text, width)))


def lines_of(text: str, room: int, hang: int = 0) -> list[str]:
    """Returns a text of one line as lines of at most ``room`` columns, indented as it is, and all but the first by
    ``hang`` more. No word is broken: one that is longer has a line of its own. A text that fits stays as it is."""
    if cell_len(text) <= room:
        return [text]
    start = text.lstrip(" ")
    first, *words = start.split(" ")
    indent = text.removesuffix(start)
    lines, line, indent = list[str](), indent + first, indent + " " * hang
    for word in words:
        if cell_len(line) + 1 + cell_len(word) > room:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}"
    return [*lines, line]
