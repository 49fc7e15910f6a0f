"""What commands show: progress bars, pages, tables and lines; and their exit codes."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich import progress
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from undertone.engine.progress import Watcher, watching
from undertone.reading.hostile import Plain, Unread, one_line, visible

if TYPE_CHECKING:
    from undertone.engine.store import Job, Store
    from undertone.models.services.cost import Part
    from undertone.report.findings import Findings
    from undertone.report.page import Page
    from undertone.spec import Spec

FOUND, NO_VERDICT = 1, 3
"""Exit codes besides 0: a trait or a shift was found, the input is wrong, there is no verdict."""

F = TypeVar("F", bound="Findings")


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


def say(*lines: object) -> None:
    """Prints lines without markup, colours or wrapping."""
    out = console()
    for line in lines:
        out.print(str(line).replace("\n", " "), markup=False, highlight=False, soft_wrap=True)


def show(page: Page, where: Path | None = None) -> None:
    """Prints a page, and the path of its file; on stderr, why figures of it could not be drawn."""
    from rich.text import Text

    from undertone.report.terminal import to_terminal

    out = console()
    for part in to_terminal(page):
        out.print(part, soft_wrap=isinstance(part, Text))
    if where is not None:
        say(where)
    for fault in sorted({figure.fault for figure in page.figures.values()} - {""}):
        console(stderr=True).print(f"note: {fault}", markup=False, soft_wrap=True)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table without borders; an empty cell is a dash."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(str(cell or "-"))) for cell in row))
    console().print(table)


def named(folder: Path) -> Path:
    """The path of a folder, relative to the current folder if it is inside; it always ends in the folder's name."""
    whole, here = folder.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) and whole != here else whole


class Bars(Watcher):
    """Progress bars on stderr, with lines above them. They are the watcher of all work inside the block."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = console(stderr=True, quiet=quiet)
        self._progress = progress.Progress(
            progress.TextColumn("{task.description:<22}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            redirect_stdout=False,  # Rich would read markup in what libraries print
            redirect_stderr=False,
        )
        self._tasks: dict[str, progress.TaskID] = {}
        self._open = ExitStack()

    def __enter__(self) -> Bars:
        self._open.enter_context(watching(self))
        self._open.callback(self._progress.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def planned(self, jobs: Sequence[Job]) -> None:
        """Adds a bar for each stage."""
        for stage, count in Counter(job.stage.name for job in jobs).items():
            self.advanced(stage, 0, count)

    def done(self, job: Job, seconds: float) -> None:
        """Advances the bar of the job's stage."""
        self._progress.advance(self._tasks[job.stage.name])

    def advanced(self, what: str, done: int, total: int) -> None:
        """Sets the bar of ``what``, which is added if there is none."""
        if what not in self._tasks:
            self._progress.start()  # not before: where there is no bar, nothing is to be drawn
            self._tasks[what] = self._progress.add_task(one_line(what), total=total)
        self._progress.update(self._tasks[what], completed=done)

    def said(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line.replace("\n", " "), markup=False, highlight=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """Prints a note."""
        self.said(f"note: {one_line(sentence)}")


def make_shown(jobs: Sequence[Job], store: Store) -> None:
    """Makes the artifacts of all jobs, with a progress bar for each stage."""
    from undertone.engine.workers import cores, run_jobs, unique

    with Bars() as bars, closing(run_jobs(jobs, store, cores(), bars.warn)) as finished:
        bars.planned(unique(jobs))
        for job, seconds in finished:
            bars.done(job, seconds)


def present(
    verb: str,
    request: Spec,
    folder: Path,
    work: Callable[[Bars], F],
    as_json: bool,
) -> F:
    """Does the work of a command with progress bars, writes its report to ``folder`` and prints the page, or one JSON
    object. If the input is refused, no folder is left behind.

    Raises:
        UndertoneError: the folder cannot be written or contains something else, or ``work`` raises it.
    """
    from undertone.engine.environment import quiet_libraries
    from undertone.engine.folder import claimed, files_of, record_of, refuse_unwritable
    from undertone.report.html import write

    refuse_unwritable(folder)
    quiet_libraries()
    with claimed(folder, record_of(verb, folder.name, request, files_of(request)), trace=False) as claim:
        with Bars(quiet=as_json) as bars:
            found = work(bars)
        made = found.page()
        written = write(found, made, folder)
        claim.note(said=made.headline, finished=True)
    if as_json:
        print_json(found)
    else:
        show(made, written)
    return found


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
