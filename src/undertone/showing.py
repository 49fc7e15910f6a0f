"""Long work in front of a person: bars on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from undertone.store import Job, Store
from undertone.workers import cores, make, unique


def make_shown(jobs: Sequence[Job], store: Store, quiet: bool = False) -> None:
    """Makes artifacts with a bar for each stage."""
    with progress_shown(quiet) as progress:
        counts = Counter(job.stage.name for job in unique(jobs))
        tasks = {stage: progress.add_task(stage, total=count) for stage, count in counts.items()}
        make(
            jobs,
            store,
            cores(),
            lambda job: progress.advance(tasks[job.stage.name]),
            lambda sentence: progress.console.print(f"note: {sentence}", markup=False, highlight=False),
        )


@contextmanager
def progress_shown(quiet: bool) -> Iterator[Progress]:
    """Bars on stderr: what is done, what is left, and the time it takes."""
    console = Console(stderr=True, quiet=quiet)
    with Progress(
        TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=console, disable=quiet or not sys.stderr.isatty(),
    ) as progress:  # fmt: skip
        yield progress
