"""Runs jobs on single-threaded processes: one for each core, which for small models is faster than threads, and one for
each accelerator, which are the only ones that see it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from undertone.engine.devices import VISIBLE, devices, on_device
from undertone.engine.executor import WorkerLost
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


LOSSES = {"MemoryError": "ran out of memory", "AcceleratorError": "lost its accelerator"}
"""Errors after which a worker is of no more use."""


@dataclass(frozen=True)
class Local:
    """This machine. Where there are accelerators, jobs that call large models are made on them, one at a time on each,
    and all other jobs beside them by processes that see no accelerator."""

    processes: int | None = None
    """The most processes, but for one beside the accelerators; by default one for each core."""

    @contextmanager
    def crew(self, jobs: Sequence[Job], store: Store) -> Generator[Workers]:
        """Opens workers, each of which is started when it is needed."""
        workers = Workers(store, jobs, self.processes or cores())
        try:
            yield workers
        finally:
            workers.end()

    def places(self, job: Job) -> tuple[str, ...]:
        """Returns the names of all accelerators, or an empty one for each core."""
        return (devices() if on_device(job) else ()) or ("",) * cores()

    def machine(self) -> str:
        """Returns all places, in words."""
        there = len(devices())
        before = f"{there} accelerator{'s' * (there > 1)} and " if there else ""
        return f"{before}{cores()} core{'s' * (cores() > 1)}"


class Workers:
    """The workers of a run: one for each accelerator, and others beside them. If one is lost, the run goes on with one
    fewer."""

    patience = 2

    def __init__(self, store: Store, jobs: Sequence[Job], processes: int) -> None:
        there = devices() if any(map(on_device, jobs)) else ()
        self._store, self._started, self._running = store, list[Worker](), dict[Worker, Job]()
        self._on_device = {job.key for job in jobs if there and on_device(job)}
        rest = min(processes - min(len(there), len(self._on_device)), len(jobs) - len(self._on_device))
        # The number of workers at each place; the empty name stands for the processor.
        self._most = {name: 1 for name in there} | {"": max(1, rest)}

    def kind(self, job: Job) -> bool:
        """Returns whether the job is made on an accelerator."""
        return job.key in self._on_device

    def give(self, job: Job) -> bool:
        """Gives a job to a free worker at the right place; returns False if there is none."""
        worker = self._free_for(job)
        if worker is None:
            return False
        self._running[worker] = job
        worker.give(job)
        return True

    def answers(self) -> Iterator[tuple[Job, float | WorkerLost]]:
        """Waits until a worker has ended its job."""
        # One thread that watches all pipes at once: Ctrl-C may interrupt a thread's start or a future's wait while it
        # holds a lock, and then the interpreter never ends.
        for worker in select.select(list(self._running), [], [])[0]:
            job = self._running.pop(worker)
            ended: float | WorkerLost
            try:
                ended = worker.answer(job)
            except WorkerLost as loss:
                self._remove(worker)
                ended = loss
            yield job, ended

    def left(self, job: Job) -> int:
        """Returns how many workers there may be at the places of such a job."""
        return sum(self._most[place] for place in self._places(self.kind(job)))

    def end(self) -> None:
        """Ends all of them."""
        for worker in self._started:
            worker.end()

    def _free_for(self, job: Job) -> Worker | None:
        for place in self._places(self.kind(job)):
            here = [worker for worker in self._started if worker.device == place]
            for worker in here:
                if worker not in self._running:
                    return worker
            if len(here) < self._most[place]:
                self._started.append(Worker(self._store, place))
                return self._started[-1]
        return None

    def _remove(self, worker: Worker) -> None:
        """Goes on without a worker that was lost: with one fewer at places like its own, but at least one."""
        self._started.remove(worker)
        alike = self._places(bool(worker.device))
        if sum(self._most[place] for place in alike) > 1:
            self._most[worker.device] -= 1

    def _places(self, devices: bool) -> list[str]:
        return [place for place in self._most if bool(place) == devices]


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
            return seconds_of(value, job.stage.name)
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


def seconds_of(answer: dict[str, Any], stage: str) -> float:
    """Returns the seconds that a worker told.

    Raises:
        UndertoneError: it told an error that its user can correct.
    """
    if "seconds" in answer:
        return float(answer["seconds"])
    if answer["kind"] == "FloatingPointError":
        raise UndertoneError(f"The {stage} stage broke down: {answer['error']}; lower its learning rate.")
    if answer["kind"] == "Damaged":
        raise UndertoneError(f"{answer['error']}; give the same command again, and it is made anew.")
    if "trace" not in answer:
        raise UndertoneError(f"The {stage} stage failed: {answer['error']}")
    raise RuntimeError(f"the {stage} stage failed\n{answer['trace']}")
