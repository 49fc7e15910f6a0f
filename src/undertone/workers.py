"""Runs jobs on single-threaded processes, one a core: on small models two threads are slower than two processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import Any

from undertone.errors import UndertoneError
from undertone.store import Job, Store

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
# glibc hands freed arrays back to the system and fetches them again page by page; keeping them changes no bit, and a
# teacher writes its lists in three quarters of the time. Other systems' allocators take no notice.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
ENVIRONMENT = {**ONE_THREAD, **KEEP_MEMORY, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unique(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without repetitions, in order."""
    return list({job.key: job for job in jobs}.values())


def run_jobs(jobs: Sequence[Job], store: Store, processes: int) -> Generator[tuple[Job, float], None, None]:
    """Makes every job's artifact and yields each job with its seconds as it is done (0.0: it was there before).

    Earlier jobs of the sequence go first among those whose parents are done; parents must be in the sequence too.
    Closing the generator ends the workers; what was finished stays in the store.

    Raises:
        UndertoneError: a stage failed in a way its user can mend, or a worker was ended from outside.
    """
    waiting = unique(jobs)
    done = {job.key for job in waiting if store.has(job)}
    for job in waiting:
        if job.key in done:
            yield job, 0.0
    waiting = [job for job in waiting if job.key not in done]
    if waiting:
        yield from _run(waiting, done, store, min(processes, len(waiting)))


def _run(waiting: list[Job], done: set[str], store: Store, count: int) -> Generator[tuple[Job, float], None, None]:
    workers: list[Worker] = []
    idle: SimpleQueue[Worker] = SimpleQueue()
    threads = ThreadPoolExecutor(count)  # each thread only waits for the answer of a worker
    running: dict[Future[float], Job] = {}
    try:
        for _ in range(count):
            workers.append(Worker(store))
            idle.put(workers[-1])
        while waiting or running:
            ready = [job for job in waiting if all(parent.key in done for parent in job.parents)]
            for job in ready[: count - len(running)]:
                waiting.remove(job)
                running[threads.submit(_make, idle, job)] = job
            if not running:
                raise RuntimeError("jobs wait for parents that nobody makes")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                seconds, job = future.result(), running.pop(future)
                done.add(job.key)
                yield job, seconds
    finally:
        for worker in workers:
            worker.end()
        threads.shutdown()


def _make(idle: SimpleQueue[Worker], job: Job) -> float:
    worker = idle.get()
    try:
        return worker.make(job)
    finally:
        idle.put(worker)


class Worker:
    """A process that makes one artifact at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # In a process group of its own: Ctrl-C reaches the parent alone, which then ends its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "undertone.worker"],  # -P: no module of the caller's folder is imported
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **ENVIRONMENT},
            process_group=0,
        )

    def make(self, job: Job) -> float:
        """Has the artifact of ``job`` made; returns the seconds it took."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            message = {"store": str(self._store.root), "order": self._store.order(job).as_json()}
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except (BrokenPipeError, ValueError):
            answer = ""
        if not answer:
            raise UndertoneError(
                f"A worker process was ended from outside during the {job.stage.name} stage (out of memory?); "
                "what was finished is kept, start the run again."
            )
        return _seconds(json.loads(answer), job)

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
    if "trace" not in answer:
        raise UndertoneError(f"The {job.stage.name} stage failed: {answer['error']}")
    raise RuntimeError(f"the {job.stage.name} stage failed\n{answer['trace']}")
