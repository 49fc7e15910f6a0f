"""What commands show: pages, tables and lines; and their exit codes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from undertone.reading.hostile import Plain, Unread, one_line, visible
from undertone.report.fitting import Fitting, lines_of

if TYPE_CHECKING:
    from undertone.models.services.cost import Part
    from undertone.report.page import Page

FOUND, NO_VERDICT = 1, 3
"""Exit codes besides 0: a trait or a shift was found; there is no verdict."""


HANG = 2


class _Console(Console):
    """Styles what is printed. The text itself is made visible, so all control characters are of the style."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of an object, as Rich asks for them."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> None:
        """By default, Rich exits with 1 here, which means that a trait was found."""
        raise Unread


def console(stderr: bool = False, quiet: bool = False) -> Console:
    """The only way to the terminal: a console on stdout or stderr. Without a terminal, stdout has 160 characters."""
    stream: Any = sys.stderr if stderr else sys.stdout
    stream = stream.stream if isinstance(stream, Plain) else stream
    width = None if stderr or stream.isatty() else 160
    return _Console(file=stream, quiet=quiet, highlight=not stderr, emoji=False, width=width)


def tell(out: Console, what: str | RenderableType) -> None:
    """Prints a line, or an object that fits by itself. A line that is longer than a terminal is broken between words,
    and its parts are indented: nothing that it quotes can look like a line of its own. In a file it is one line."""
    if isinstance(what, str) and out.is_terminal:
        what = "\n".join(lines_of(what, out.width, HANG))
    out.print(what, markup=False, highlight=False, soft_wrap=True)


def say(*lines: object) -> None:
    """Prints lines without markup, colours or line breaks inside them."""
    for line in lines:
        tell(console(), str(line).replace("\n", " "))


def show(page: Page, where: Path | None = None) -> None:
    """Prints a page, and the path of its file; on stderr, why figures of it could not be drawn."""
    from undertone.report.terminal import to_terminal

    for part in to_terminal(page):
        tell(console(), part.plain if isinstance(part, Text) else part)
    if where is not None:
        say(where)
    for fault in sorted({figure.fault for figure in page.figures.values()} - {""}):
        tell(console(stderr=True), f"note: {fault}")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table without borders; an empty cell is a dash."""
    table = Fitting([(heading, False) for heading in headings])
    for row in rows:
        table.add(*(one_line(str(cell or "-")) for cell in row))
    tell(console(), table)


def named(folder: Path) -> Path:
    """The path of a folder, relative to the current folder if it is inside; it always ends in the folder's name."""
    whole, here = folder.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) and whole != here else whole


def print_json(value: Any) -> None:
    """Prints a specification, or another value that JSON can hold, as one JSON value in ASCII."""
    text = value.model_dump_json() if hasattr(value, "model_dump_json") else json.dumps(value)
    print(re.sub(r"[^ -~]", lambda found: json.dumps(found[0])[1:-1] if found[0] != "\x7f" else r"\u007f", text))


def show_cost(title: str, parts: Sequence[Part], folder: Path, as_json: bool) -> int:
    """Prints what would be done and roughly what it costs. Returns the exit code."""
    from undertone.models.services.cost import show_parts

    value, lines = show_parts(title, parts, folder)
    if as_json:
        print_json(value)
    else:
        say(*lines)
    return 0
