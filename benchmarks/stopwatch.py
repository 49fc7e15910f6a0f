"""What a part of the work cost: seconds, processor time, peak memory."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Iterator

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
