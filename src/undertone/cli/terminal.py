"""What commands show: progress bars, pages, tables and lines; and their exit codes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich import progress
from rich.console import Console

from undertone.engine.progress import Watcher

if TYPE_CHECKING:
    from undertone.engine.store import Job, Store
    from undertone.models.services.cost import Part
    from undertone.report.findings import Findings
    from undertone.report.page import Page
    from undertone.spec import Spec

FOUND, NO_VERDICT = 1, 3
"""Exit codes besides 0: a trait or a shift was found, the input is wrong, there is no verdict."""

F = TypeVar("F", bound="Findings")


def out_console() -> Console:
    """A console on stdout; 160 characters wide if stdout is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else 160)


def say(*lines: object) -> None:
    """Prints lines without markup, colours or wrapping."""
    console = out_console()
    for line in lines:
        console.print(str(line), markup=False, highlight=False, soft_wrap=True)


def show(page: Page, where: Path | None = None) -> None:
    """Prints a page, and the path of its file."""
    from rich.text import Text

    from undertone.report.terminal import to_terminal

    console = out_console()
    for part in to_terminal(page):
        if isinstance(part, Text):
            console.print(part, soft_wrap=True)
        else:
            console.print(part)
    if where is not None:
        say(where)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table without borders; an empty cell is a dash."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell or "-")) for cell in row))
    out_console().print(table)


def named(folder: Path) -> Path:
    """The path of a folder, relative to the current folder if it is inside; it always ends in the folder's name."""
    whole, here = folder.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) and whole != here else whole


class Bars(Watcher):
    """Progress bars on stderr, with lines above them."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._progress = progress.Progress(
            progress.TextColumn("{task.description:<22}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._tasks: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, jobs: Sequence[Job]) -> None:
        """Adds a bar for each stage."""
        for stage, count in Counter(job.stage.name for job in jobs).items():
            self.advanced(stage, 0, count)

    def done(self, job: Job, seconds: float) -> None:
        """Advances the bar of the job's stage."""
        self._progress.advance(self._tasks[job.stage.name])

    def advanced(self, what: str, done: int, total: int) -> None:
        """Sets the bar of ``what``, which is added if there is none."""
        from undertone.report.hostile import one_line

        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(one_line(what), total=total)
        self._progress.update(self._tasks[what], completed=done)

    def said(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """Prints a note."""
        self.said(f"note: {sentence}")


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
    page: Callable[[F], Page],
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
        made = page(found)
        written = write(found, made, folder)
        claim.note(said=made.headline, finished=True)
    if as_json:
        print(found.model_dump_json())
    else:
        show(made, written)
    return found


def print_json(value: Any) -> None:
    """Prints one JSON value."""
    print(json.dumps(value))


def show_cost(title: str, parts: Sequence[Part], folder: Path, as_json: bool) -> int:
    """Prints what would be done and roughly what it costs. Returns the exit code."""
    from undertone.models.services.cost import show_parts

    value, lines = show_parts(title, parts, folder)
    if as_json:
        print_json(value)
    else:
        say(*lines)
    return 0
