"""How far a command has come, on stderr: on a terminal a bar for all and one for each stage, else a line a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from undertone.cli.forecast import Forecast
from undertone.cli.terminal import console, tell
from undertone.engine.progress import Watcher, watching
from undertone.engine.schedule import chosen
from undertone.reading.hostile import one_line
from undertone.report.words import duration

if TYPE_CHECKING:
    from undertone.engine.store import Job

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""
WIDEST = 40
"""The most characters of a bar."""
SHOWN = 8
"""The most stages that have a bar of their own; those that are finished lose it first."""


class Bars(Watcher):
    """Progress on stderr, with lines above it, and the watcher of all work inside the block. ``name``: what the lines
    are about."""

    def __init__(self, name: str = "", quiet: bool = False) -> None:
        self.forecast = Forecast()
        self._name, self._first = name, ""
        self._console = console(stderr=True, quiet=quiet)
        self._live = Live(
            console=self._console,
            get_renderable=lambda: _drawn(self.forecast),
            redirect_stdout=False,  # Rich would read markup in what libraries print
            redirect_stderr=False,
        )
        self._quiet, self._ended, self._open = quiet, Event(), ExitStack()
        self._to_make: Mapping[str, float] | None = None

    def __enter__(self) -> Bars:
        self._open.enter_context(watching(self))
        if not self._console.is_terminal and not self._quiet:
            Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._live.stop()
        self._open.close()

    def begins(self, line: str) -> None:
        """Takes the first line, which is printed once the work is seen to go on: after all that may be refused."""
        self._first = line

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Takes which jobs are to be made, by key, and how many seconds of one core each takes."""
        self._to_make = seconds

    def planned(self, jobs: Sequence[Job]) -> None:
        """Says how many jobs there are to make and how long they take, if that was told."""
        self._draw()
        to_make = self._to_make
        left = jobs if to_make is None else [job for job in jobs if job.key in to_make]
        for stage, count in Counter(job.stage.name for job in left).items():
            if to_make is not None:
                seconds = sum(to_make[job.key] / len(chosen().places(job)) for job in left if job.stage.name == stage)
                self.forecast.expect(stage, seconds)
            self.forecast.advance(stage, 0, count)
        if to_make is None:
            self.said(f"{self._name}: {len(jobs):,} jobs, less those that were made before.")
            return
        seconds = sum(to_make[job.key] / len(chosen().places(job)) for job in left)
        time = f", about {duration(seconds)} on {chosen().machine()}" if left else ""
        self.said(f"{self._name}: {len(left):,} of {len(jobs):,} jobs to make{time}.")

    def done(self, job: Job, seconds: float) -> None:
        """Advances the stage of a job that was made; one that was there is no work."""
        stage = self.forecast.stages.get(job.stage.name)
        if stage is None or (self._to_make is not None and job.key not in self._to_make):
            return
        made = stage.done + 1 if seconds else stage.done
        self.forecast.advance(job.stage.name, made, stage.total - (not seconds), seconds / len(chosen().places(job)))

    def advanced(self, what: str, done: int, total: int) -> None:
        """Advances the stage ``what``, which is added if there is none."""
        self._draw()
        self.forecast.advance(what, done, total)

    def said(self, line: str) -> None:
        """Prints a line."""
        tell(self._console, line.replace("\n", " "))

    def warn(self, sentence: str) -> None:
        """Prints a note."""
        self.said(f"note: {one_line(sentence)}")

    def _draw(self) -> None:
        """Says the first line and shows the bars, not before there is something to show."""
        if self._first:
            first, self._first = self._first, ""
            self.said(first)
        if self._console.is_terminal and not self._quiet and not self._live.is_started:
            self._live.start()

    def _tell(self) -> None:
        """Prints a line a minute, until the work is done."""
        while not self._ended.wait(EVERY):
            parts = [
                f"{one_line(name)} {stage.done:,} of {stage.total:,}"
                for name, stage in list(self.forecast.stages.items())
                if stage.done and stage.left
            ]
            self.said("; ".join((f"{duration(self.forecast.elapsed)}: {_how_far(self.forecast)}", *parts)))


def _how_far(forecast: Forecast) -> str:
    """34 % done, about 3 min left"""
    left = forecast.left
    return f"{forecast.share:.0%} done" + ("" if left is None else f", about {duration(left)} left")


def _drawn(forecast: Forecast) -> RenderableType:
    """Returns a bar for all and one for each stage."""
    bars = Table.grid(padding=(0, 1))
    bars.add_column(no_wrap=True)
    bars.add_column(max_width=WIDEST)
    bars.add_column(no_wrap=True)
    bars.add_row("total", ProgressBar(1.0, forecast.share), _how_far(forecast))
    stages = {name: stage for name, stage in list(forecast.stages.items()) if stage.begun and stage.total}
    for name, stage in stages.items():
        if stage.left or len(stages) <= SHOWN:
            told = f"{stage.done:,} of {stage.total:,}"
            bars.add_row(Text(f"  {one_line(name)}"), ProgressBar(stage.total, stage.done), told)
    return bars
