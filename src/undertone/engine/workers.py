"""Runs jobs on single-threaded processes: one for each core, which for small models is faster than threads, and one for
each accelerator, which are the only ones that see it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Container, Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from undertone.engine.devices import VISIBLE, devices, on_device
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
# By default glibc returns freed arrays to the system and fetches them again page by page. Keeping them changes no bit,
# and a teacher writes its lists in three quarters of the time. Allocators of other systems ignore these variables.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
# On a GPU, matrix products repeat their bits only with a workspace of fixed size.
SAME_BITS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
ENVIRONMENT = {**ONE_THREAD, **SAME_BITS, **KEEP_MEMORY, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def environment_at(device: str) -> dict[str, str]:
    """What a worker's environment adds to that of its parent. It sees its own accelerator only, or none."""
    return {**ENVIRONMENT, VISIBLE: device}


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unique(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without repetitions, in order."""
    return list({job.key: job for job in jobs}.values())


LOSSES = {"MemoryError": "ran out of memory", "AcceleratorError": "lost its accelerator"}
"""Errors after which a worker is of no more use."""


class WorkerLost(Exception):
    """A worker process ended without an answer."""


def places(job: Job) -> tuple[str, ...]:
    """Where jobs like this one are made side by side: the names of all accelerators, or an empty one for each core."""
    return (devices() if on_device(job) else ()) or ("",) * cores()


def machine() -> str:
    """All places, in words: 2 cores, or 1 accelerator and 16 cores."""
    there = len(devices())
    before = f"{there} accelerator{'s' * (there > 1)} and " if there else ""
    return f"{before}{cores()} core{'s' * (cores() > 1)}"


def run_jobs(
    jobs: Sequence[Job], store: Store, processes: int, warn: Callable[[str], None] = lambda _: None
) -> Generator[tuple[Job, float], None, None]:
    """Makes the artifact of every job. Yields each finished job with its seconds, 0.0 if the artifact existed before.

    ``jobs`` must contain the parents of all its jobs; among jobs whose parents are done, earlier ones go first. Damaged
    artifacts are made again. Where there are accelerators, jobs that call large models are made on them, one at a time
    on each, and all other jobs beside them by ``processes`` processes in all, which see no accelerator. If a worker is
    killed, usually for lack of memory, or loses its accelerator, its job is tried once more and the run goes on with
    one process fewer. ``warn`` is called for both. Closing the generator ends the workers; finished artifacts stay.

    Raises:
        UndertoneError: the store cannot be written, a stage failed in a way that its user can correct, or a job lost
            its worker twice.
    """
    store.open()
    waiting, done = unique(jobs), set[str]()
    sound = {job.key for job in waiting if store.sound(job, warn)}
    workers = Workers(store, [job for job in waiting if job.key not in sound], processes)
    # One thread that watches all pipes at once: Ctrl-C may interrupt a thread's start or a future's wait while it holds
    # a lock, and then the interpreter never ends.
    running, lost = dict[Worker, Job](), set[str]()
    try:
        while waiting or running:
            ready = [job for job in waiting if all(parent.key in done for parent in job.parents)]
            if there := [job for job in ready if job.key in sound]:
                for job in there:
                    waiting.remove(job)
                    done.add(job.key)
                    yield job, 0.0
                continue  # jobs made from these may be ready now
            for job in ready:
                if len(running) == workers.most:
                    break
                if worker := workers.free_for(job, running):
                    waiting.remove(job)
                    running[worker] = job
                    worker.give(job)
            if not running:
                raise RuntimeError("some jobs wait for parents that are not among the jobs")
            for worker in select.select(list(running), [], [])[0]:
                job = running.pop(worker)
                try:
                    seconds = worker.answer(job)
                except WorkerLost as loss:
                    left = workers.remove(worker)
                    if job.key in lost:
                        raise UndertoneError(
                            f"{loss}, twice; finished work is kept: free some memory and give the same command again."
                        ) from None
                    lost.add(job.key)
                    waiting.insert(0, job)
                    warn(f"{loss}; trying once more with at most {left} at a time.")
                else:
                    done.add(job.key)
                    yield job, seconds
    finally:
        workers.end()


class Workers:
    """The workers of a run: one for each accelerator, and others beside them. Each is started when it is needed."""

    def __init__(self, store: Store, jobs: Sequence[Job], processes: int) -> None:
        """``jobs``: those to make; ``processes``: the most workers, but for one beside the accelerators."""
        there = devices() if any(map(on_device, jobs)) else ()
        self._store, self._started = store, list[Worker]()
        self._on_device = {job.key for job in jobs if there and on_device(job)}
        rest = min(processes - min(len(there), len(self._on_device)), len(jobs) - len(self._on_device))
        # The number of workers at each place; the empty name stands for the processor.
        self._most = {name: 1 for name in there} | {"": max(1, rest)}

    @property
    def most(self) -> int:
        """How many there may be."""
        return sum(self._most.values())

    def free_for(self, job: Job, running: Container[Worker]) -> Worker | None:
        """A worker for a job at the right place that is not ``running``; None if there are no more."""
        for place in self._places(job.key in self._on_device):
            here = [worker for worker in self._started if worker.device == place]
            for worker in here:
                if worker not in running:
                    return worker
            if len(here) < self._most[place]:
                self._started.append(Worker(self._store, place))
                return self._started[-1]
        return None

    def remove(self, worker: Worker) -> int:
        """Goes on without a worker that was lost. Returns how many there may be at places like its own: one fewer than
        before, but at least one."""
        self._started.remove(worker)
        alike = self._places(bool(worker.device))
        if sum(self._most[place] for place in alike) > 1:
            self._most[worker.device] -= 1
        return sum(self._most[place] for place in alike)

    def _places(self, devices: bool) -> list[str]:
        return [place for place in self._most if bool(place) == devices]

    def end(self) -> None:
        """Ends all of them."""
        for worker in self._started:
            worker.end()


class Worker:
    """A process that makes one artifact at a time, on an accelerator or, without a name of one, on the processor."""

    def __init__(self, store: Store, device: str = "") -> None:
        self._store, self.device = store, device
        # A process group of its own, so that Ctrl-C reaches only the parent, which then ends its workers.
        self._process = subprocess.Popen(
            # -P: no module is imported from the current folder.
            [sys.executable, "-P", "-m", "undertone.engine.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment_at(device)},
            process_group=0,
        )

    def fileno(self) -> int:
        """For ``select``: readable once there is an answer or the process has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, job: Job) -> None:
        """Starts making the artifact of ``job``."""
        assert self._process.stdin is not None
        sent = asdict(replace(job, inputs=self._store.folders(job)))
        with suppress(BrokenPipeError):  # `answer` reports the loss
            self._process.stdin.write(json.dumps({"store": self._store.root, "job": sent}, default=str) + "\n")
            self._process.stdin.flush()

    def answer(self, job: Job) -> float:
        """Waits for the artifact of ``job`` and returns the seconds it took.

        Raises:
            WorkerLost: the process was killed, or ran out of memory and was ended here.
            UndertoneError: the stage failed.
        """
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if answer.endswith("\n"):
            value = json.loads(answer)
            if loss := LOSSES.get(value.get("kind")):
                self.end()  # frees the memory it still holds
                raise WorkerLost(f"A worker {loss} in the {job.stage.name} stage")
            return _seconds(value, job.stage.name)
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
                with suppress(BrokenPipeError):
                    pipe.close()
        self._store.clear(self._process.pid)


def _seconds(answer: dict[str, Any], stage: str) -> float:
    if "seconds" in answer:
        return float(answer["seconds"])
    if answer["kind"] == "FloatingPointError":
        raise UndertoneError(f"The {stage} stage broke down: {answer['error']}; lower its learning rate.")
    if answer["kind"] == "Damaged":
        raise UndertoneError(f"{answer['error']}; give the same command again, and it is made anew.")
    if "trace" not in answer:
        raise UndertoneError(f"The {stage} stage failed: {answer['error']}")
    raise RuntimeError(f"the {stage} stage failed\n{answer['trace']}")
