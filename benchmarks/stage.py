"""One stage of one side in a process of its own, on one core: see :func:`run`.

What is imported and loaded before the first timed part counts as start-up. Peak memory is the process's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

from benchmarks.work import Work
from undertone.workers import ENVIRONMENT

Cost = dict[str, float]
"""Seconds by the clock (``seconds``) and of the processor (``cpu``), and peak memory by then (``peak``, MiB)."""


class Stopwatch:
    """The cost of each timed part, and of the start-up before the first."""

    def __init__(self, begun: float | None = None) -> None:
        """``begun``: when the process was started, by ``time.time()``; now, if not given."""
        self._begun = time.time() if begun is None else begun
        self.start_up: Cost = {}
        self.parts: dict[str, Cost] = {}

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Times what is done inside as ``part``."""
        started, worked = time.perf_counter(), time.process_time()
        if not self.parts:
            self.start_up = {"seconds": time.time() - self._begun, "cpu": worked, "peak": peak()}
        yield
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        self.parts[part] = {"seconds": seconds, "cpu": cpu, "peak": peak()}


def peak() -> float:
    """Peak resident memory of this process so far (MiB)."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2**20 if sys.platform == "darwin" else size / 2**10


def run(side: str, stage: str, work: Work) -> dict[str, Any]:
    """Has a stage done by a process of its own: ``start-up``, ``parts`` (a cost each) and ``facts``.

    A process's peak memory starts at that of the process that started it, so the caller must not have loaded torch.

    Raises:
        RuntimeError: the process failed; holds the end of what it wrote.
    """
    command = [sys.executable, "-m", "benchmarks.stage", side, stage, json.dumps(asdict(work)), str(time.time())]
    # The peer too runs in our workers' environment: one thread, and an allocator that keeps its memory.
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{side} {stage} failed\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main(side: str, stage: str, work: str, begun: str) -> None:
    """Does the stage and prints its cost and facts."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for the answer
    watch = Stopwatch(float(begun))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(side != "peer")  # as in our workers
    facts = getattr(import_module(f"benchmarks.{side}"), stage)(Work(**json.loads(work)), watch)
    answers.write(json.dumps({"start-up": watch.start_up, "parts": watch.parts, "facts": facts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
