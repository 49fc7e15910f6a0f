"""How long work says how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from undertone.engine.store import Job

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody anything. This is the default."""


class Watcher:
    """Callbacks during a run; all are optional."""

    def planned(self, jobs: Sequence[Job]) -> None:
        """All jobs of the run, before the first is made."""

    def done(self, job: Job, seconds: float) -> None:
        """One job is finished; 0.0 seconds if it had been made before."""

    def said(self, line: str) -> None:
        """Something is known already: an arm has finished, or two can be compared."""

    def advanced(self, what: str, done: int, total: int) -> None:
        """How far work is that is no job: questions asked of a model."""

    def warn(self, sentence: str) -> None:
        """Something was mended, or is not as one would expect."""
