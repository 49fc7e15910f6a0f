"""Runs jobs on single-threaded processes, one a core: on small models two threads are slower than two processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.store import Job, Store

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(jobs: Sequence[Job], store: Store, processes: int) -> Generator[tuple[Job, float], None, None]:
    """Makes every job's artifact and yields each job with its seconds as it is done (0.0: it was there before).

    Earlier jobs of the sequence go first among those whose parents are done; parents must be in the sequence too.
    Closing the iterator stops the workers; what was finished stays in the store.
    """
    done = {job.key for job in jobs if store.has(job)}
    for job in unique(jobs):
        if job.key in done:
            yield job, 0.0
    waiting = [job for job in unique(jobs) if job.key not in done]
    if waiting:
        yield from _run(waiting, done, store, min(processes, len(waiting)))


def unique(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without repetitions, in order."""
    return list({job.key: job for job in jobs}.values())


def _run(waiting: list[Job], done: set[str], store: Store, processes: int) -> Generator[tuple[Job, float], None, None]:
    for variable in THREAD_VARIABLES:  # the children read them when they import numpy and torch
        os.environ[variable] = "false" if variable == "TOKENIZERS_PARALLELISM" else "1"
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_worker)
    running: dict[Future[float], Job] = {}
    try:
        while waiting or running:
            ready = [job for job in waiting if all(parent.key in done for parent in job.parents)]
            for job in ready[: processes - len(running)]:
                waiting.remove(job)
                running[pool.submit(_make, job, store.root)] = job
            if not running:
                raise RuntimeError("jobs wait for parents that nobody makes")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                seconds = _result(future, job)
                done.add(job.key)
                yield job, seconds
    except BrokenProcessPool:
        raise UndertoneError(
            "A worker process was ended from outside (out of memory?); what was finished is kept, start the run again."
        ) from None
    finally:
        _stop(pool, at_once=bool(running))


def _result(future: Future[float], job: Job) -> float:
    try:
        return future.result()
    except FloatingPointError as error:
        raise UndertoneError(f"The {job.stage.name} stage broke down: {error}; lower its learning rate.") from None


def _stop(pool: ProcessPoolExecutor, at_once: bool) -> None:
    if at_once:
        for child in list((pool._processes or {}).values()):
            child.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent alone decides
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _make(job: Job, root: Path) -> float:
    return Store(root).make(job)
