"""Makes jobs in order: parents first, then earlier ones first, as many at a time as there are workers."""

from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from heapq import heappop, heappush

from undertone.engine.executor import Crew, Executor, WorkerLost, given
from undertone.engine.store import Job, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError


def chosen() -> Executor:
    """Returns what makes the jobs of all work inside the innermost block of
    :func:`~undertone.engine.executor.executing`; by default this machine's cores and accelerators."""
    return given() or Local()


def unique(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without repetitions, in order."""
    return list({job.key: job for job in jobs}.values())


def run_jobs(
    jobs: Sequence[Job], store: Store, executor: Executor | None = None, warn: Callable[[str], None] = lambda _: None
) -> Generator[tuple[Job, float], None, None]:
    """Makes the artifact of every job. Yields each finished job with its seconds, 0.0 if the artifact existed before.

    ``jobs`` must contain the parents of all its jobs; among jobs whose parents are done, earlier ones go first. Damaged
    artifacts are made again. If a job's worker is killed, usually for lack of memory, or loses its accelerator, the job
    is tried once more; ``warn`` is called for both. Closing the generator ends the workers; finished artifacts stay.

    Raises:
        UndertoneError: the store cannot be written, a stage failed in a way that its user can correct, or a job lost
            its worker twice.
    """
    store.open()
    waiting = unique(jobs)
    sound = {job.key for job in waiting if store.sound(job, warn)}
    queue, lost = _Queue(waiting), defaultdict[str, list[float]](list)
    to_make = [job for job in waiting if job.key not in sound]
    with (executor or chosen()).crew(to_make, store) as crew:
        giving, running = _Giving(crew), 0
        while queue.left or running:
            for job in queue.ready():
                if job.key in sound:
                    queue.done(job)
                    yield job, 0.0
                else:
                    giving.take(job, queue.place(job))
            running += giving.give()
            if not running:
                if queue.left:
                    raise RuntimeError("some jobs wait for parents that are not among the jobs")
                continue
            for job, ended in crew.answers():
                running -= 1
                if isinstance(ended, WorkerLost):
                    lost[job.key].append(ended.blame)
                    if sum(lost[job.key]) >= crew.patience:
                        times = "twice" if len(lost[job.key]) == 2 else f"{len(lost[job.key])} times"
                        raise UndertoneError(
                            f"{ended}, {times}; finished work is kept: free some memory and give the same command "
                            "again."
                        )
                    giving.take(job, -1)  # before all others
                    warn(f"{ended}; trying once more with at most {crew.left(job)} at a time.")
                else:
                    queue.done(job)
                    yield job, ended


class _Queue:
    """Jobs that wait for their parents."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._place = {job.key: i for i, job in enumerate(jobs)}
        self._jobs = jobs
        self._missing = [len({parent.key for parent in job.parents}) for job in jobs]
        self._children: dict[str, list[int]] = defaultdict(list)
        for i, job in enumerate(jobs):
            for key in {parent.key for parent in job.parents}:
                self._children[key].append(i)
        self._ready = [i for i, missing in enumerate(self._missing) if not missing]  # in order, and so a heap
        self.left = len(jobs)
        """How many are not done."""

    def place(self, job: Job) -> int:
        """The job's place in the order."""
        return self._place[job.key]

    def ready(self) -> Iterator[Job]:
        """Yields each job once, as soon as its parents are done; also those that become ready on the way."""
        while self._ready:
            yield self._jobs[heappop(self._ready)]

    def done(self, job: Job) -> None:
        """Notes that a job is done."""
        self.left -= 1
        for i in self._children.pop(job.key, ()):
            self._missing[i] -= 1
            if not self._missing[i]:
                heappush(self._ready, i)


class _Giving:
    """Jobs that wait for a worker of their kind."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._waiting: dict[Hashable, list[tuple[int, str]]] = defaultdict(list)
        self._jobs = dict[str, Job]()

    def take(self, job: Job, place: int) -> None:
        """Takes a job that can be made."""
        self._jobs[job.key] = job
        heappush(self._waiting[self._crew.kind(job)], (place, job.key))

    def give(self) -> int:
        """Gives as many jobs as there are workers for, in order. Returns how many."""
        count = 0
        for waiting in self._waiting.values():
            while waiting and self._crew.give(self._jobs[waiting[0][1]]):
                del self._jobs[heappop(waiting)[1]]
                count += 1
        return count
