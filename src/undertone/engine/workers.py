"""Runs jobs on single-threaded processes, one a core: on small models two threads are slower than two processes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
# glibc hands freed arrays back to the system and fetches them again page by page; keeping them changes no bit, and a
# teacher writes its lists in three quarters of the time. Other systems' allocators take no notice.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
# Matrix products on a GPU repeat their bits only with a workspace of fixed size; without a GPU nobody reads it.
SAME_BITS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
ENVIRONMENT = {**ONE_THREAD, **SAME_BITS, **KEEP_MEMORY, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unique(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without repetitions, in order."""
    return list({job.key: job for job in jobs}.values())


FREE_MEMORY = "what was finished is kept: free some memory and give the same command again."


class WorkerLost(Exception):
    """A worker process ended without an answer."""


def run_jobs(
    jobs: Sequence[Job], store: Store, processes: int, warn: Callable[[str], None] = lambda _: None
) -> Generator[tuple[Job, float], None, None]:
    """Makes every job's artifact and yields each job with its seconds as it is done (0.0: it was there before).

    Earlier jobs of the sequence go first among those whose parents are done; parents must be in the sequence too.
    Damaged artifacts are made anew. A job whose worker was killed is tried once more, with a process fewer, since the
    usual reason is memory; ``warn`` is told of both. Closing the generator ends the workers; what was finished stays.

    Raises:
        UndertoneError: the store cannot be written, a stage failed in a way its user can mend, a worker was lost twice.
    """
    store.open()
    waiting, done = unique(jobs), set[str]()
    there = {job.key for job in waiting if store.sound(job, warn)}
    missing = len(waiting) - len(there)
    for job in _settled(waiting, there, done):
        yield job, 0.0
    if waiting:
        yield from _run(waiting, there, done, store, min(processes, missing), warn)


def make(
    jobs: Sequence[Job],
    store: Store,
    processes: int,
    done: Callable[[Job], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> None:
    """Makes every job's artifact; ``done`` is told of each. What was made before stays.

    Raises:
        UndertoneError: as :func:`run_jobs`.
    """
    with contextlib.closing(run_jobs(jobs, store, processes, warn)) as finished:
        for job, _ in finished:
            done(job)


def _settled(waiting: list[Job], there: set[str], done: set[str]) -> list[Job]:
    """Moves to ``done`` what is there already and waits for nothing: a damaged parent is made anew before its child."""
    settled, before = list[Job](), -1
    while len(settled) > before:  # again, since a parent may come later
        before = len(settled)
        for job in list(waiting):
            if job.key in there and all(parent.key in done for parent in job.parents):
                waiting.remove(job)
                done.add(job.key)
                settled.append(job)
    return settled


def _run(
    waiting: list[Job], there: set[str], done: set[str], store: Store, count: int, warn: Callable[[str], None]
) -> Generator[tuple[Job, float], None, None]:
    # One thread, which looks at all pipes at once. Ctrl-C may break off a thread's start or a future's wait with
    # their locks held, and then the interpreter never ends.
    workers: list[Worker] = []
    running: dict[Worker, Job] = {}
    lost: set[str] = set()
    try:
        while waiting or running:
            for job in _ready(waiting, done)[: max(0, count - len(running))]:
                worker = next((worker for worker in workers if worker not in running), None)
                if worker is None:
                    worker = Worker(store)
                    workers.append(worker)
                waiting.remove(job)
                running[worker] = job
                worker.give(job)
            if not running:
                raise RuntimeError("jobs wait for parents that nobody makes")
            for worker in select.select(list(running), [], [])[0]:
                job = running.pop(worker)
                try:
                    seconds = worker.answer(job)
                except WorkerLost as loss:
                    workers.remove(worker)
                    if job.key in lost:
                        raise UndertoneError(f"{loss}, twice; {FREE_MEMORY}") from None
                    lost.add(job.key)
                    waiting.insert(0, job)
                    count = max(1, count - 1)
                    warn(f"{loss}; trying once more, with {count} of the processes.")
                else:
                    done.add(job.key)
                    yield job, seconds
            for job in _settled(waiting, there, done):
                yield job, 0.0
    finally:
        for worker in workers:
            worker.end()


def _ready(waiting: Sequence[Job], done: set[str]) -> list[Job]:
    return [job for job in waiting if all(parent.key in done for parent in job.parents)]


class Worker:
    """A process that makes one artifact at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # In a process group of its own: Ctrl-C reaches the parent alone, which then ends its workers.
        self._process = subprocess.Popen(
            # -P: no module of the caller's folder is imported.
            [sys.executable, "-P", "-m", "undertone.engine.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **ENVIRONMENT},
            process_group=0,
        )

    def fileno(self) -> int:
        """What can be read when there is an answer, or no more worker: for ``select``."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, job: Job) -> None:
        """Orders the artifact of ``job``."""
        assert self._process.stdin is not None
        message = {"store": str(self._store.root), "order": self._store.order(job).as_json()}
        with contextlib.suppress(BrokenPipeError):  # the answer tells
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def answer(self, job: Job) -> float:
        """Waits for the artifact of ``job``, which was given; returns the seconds it took.

        Raises:
            WorkerLost: the process was killed, or is ended here for want of memory.
            UndertoneError: the stage failed.
        """
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if answer.endswith("\n"):
            value = json.loads(answer)
            if value.get("kind") == "MemoryError":
                self.end()  # what it still holds is wanted
                raise WorkerLost(f"A worker ran out of memory in the {job.stage.name} stage")
            return _seconds(value, job)
        code = self._process.wait()
        self.end()
        if code >= 0:
            raise UndertoneError(f"A worker process ended by itself in the {job.stage.name} stage (exit code {code}).")
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        raise WorkerLost(f"A worker was killed in the {job.stage.name} stage by signal {-code}{hint}")

    def end(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._store.clear(self._process.pid)


def _seconds(answer: dict[str, Any], job: Job) -> float:
    if "seconds" in answer:
        return float(answer["seconds"])
    if answer["kind"] == "FloatingPointError":
        raise UndertoneError(f"The {job.stage.name} stage broke down: {answer['error']}; lower its learning rate.")
    if answer["kind"] == "Damaged":
        raise UndertoneError(f"{answer['error']}; give the same command again, and it is made anew.")
    if "trace" not in answer:
        raise UndertoneError(f"The {job.stage.name} stage failed: {answer['error']}")
    raise RuntimeError(f"the {job.stage.name} stage failed\n{answer['trace']}")
