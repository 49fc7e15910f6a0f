"""What makes jobs: processes of this machine, or a cluster. Nothing else of the code knows which."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from undertone.engine.store import Job, Store


class WorkerLost(Exception):
    """A worker ended without an answer, so that its job must be made again."""

    def __init__(self, said: str, blame: float = 1.0) -> None:
        """``blame``: how much the job may be the cause; where a whole machine is gone, less than 1."""
        super().__init__(said)
        self.blame = blame


class Crew(Protocol):
    """The workers of one run."""

    @property
    def patience(self) -> int:
        """How often a job may lose its worker, by blame, before it is taken to be the cause."""

    def kind(self, job: Job) -> Hashable:
        """Returns where a job is made: jobs of one kind wait for the same workers."""

    def give(self, job: Job) -> bool:
        """Starts making a job; returns False if all workers of its kind are busy."""

    def answers(self) -> Iterator[tuple[Job, float | WorkerLost]]:
        """Waits until jobs that were given have ended. Yields them with the seconds they took, or why they did not.

        Raises:
            UndertoneError: a stage failed in a way that its user can correct.
        """

    def left(self, job: Job) -> int:
        """Returns how many jobs of this kind can be made at a time, now."""


class Executor(Protocol):
    """Where jobs are made."""

    def crew(self, jobs: Sequence[Job], store: Store) -> AbstractContextManager[Crew]:
        """Opens the workers for these jobs, whose artifacts go to ``store``. At the end of the block all have ended.

        Raises:
            UndertoneError: the jobs cannot be made there.
        """

    def places(self, job: Job) -> Sequence[str]:
        """Returns where jobs like this one are made side by side, one name each: that of an accelerator, or nothing
        for a core."""

    def machine(self) -> str:
        """Returns all places, in words: 2 cores, or 1 accelerator and 16 cores."""


_EXECUTOR: ContextVar[Executor | None] = ContextVar("executor", default=None)


def given() -> Executor | None:
    """Returns the executor of the innermost block of :func:`executing`; None outside of one."""
    return _EXECUTOR.get()


@contextmanager
def executing(on: Executor) -> Generator[None]:
    """Has all jobs inside the block made by ``on``."""
    before = _EXECUTOR.set(on)
    try:
        yield
    finally:
        _EXECUTOR.reset(before)
