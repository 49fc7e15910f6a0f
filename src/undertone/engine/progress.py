"""Callbacks by which long work reports how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from undertone.engine.store import Job

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """The default: reports nothing."""


class Watcher:
    """Callbacks during a run; all optional."""

    def planned(self, jobs: Sequence[Job]) -> None:
        """All jobs of the run, before the first is made."""

    def done(self, job: Job, seconds: float) -> None:
        """One job is finished; 0.0 seconds if its artifact existed before the run."""

    def said(self, line: str) -> None:
        """A first result, in one line: an arm has finished, or two arms can be compared."""

    def advanced(self, what: str, done: int, total: int) -> None:
        """How far work has come that is not a job, such as asking a model questions."""

    def warn(self, sentence: str) -> None:
        """Something was repaired, or is not as one would expect."""


_WATCHER: ContextVar[Watcher] = ContextVar("watcher", default=Watcher())  # noqa: B039 - it holds nothing


def watcher() -> Watcher:
    """The watcher of work that takes no callback, such as fetching a model by its name deep inside a plan."""
    return _WATCHER.get()


@contextmanager
def watching(by: Watcher) -> Generator[None]:
    """Lets ``by`` be that watcher."""
    before = _WATCHER.set(by)
    try:
        yield
    finally:
        _WATCHER.reset(before)
