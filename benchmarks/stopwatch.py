"""Measures the cost of a part of the work: seconds, processor time, peak memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterator

Cost = dict[str, float]
"""Wall-clock seconds (``seconds``), processor seconds (``cpu``), and the peak memory so far (``peak``, MiB)."""


class Stopwatch:
    """Holds the cost of each timed part, and of the start-up before the first one."""

    def __init__(self, begun: float | None = None) -> None:
        """``begun`` is the ``time.time()`` at which the process was started; now, if not given."""
        self._begun = time.time() if begun is None else begun
        self.start_up: Cost = {}
        self.parts: dict[str, Cost] = {}

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Records the cost of the code inside this context as ``part``."""
        started, worked = time.perf_counter(), time.process_time()
        if not self.parts:
            self.start_up = {"seconds": time.time() - self._begun, "cpu": worked, "peak": peak()}
        yield
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        self.parts[part] = {"seconds": seconds, "cpu": cpu, "peak": peak()}


def clock_of(device: str) -> Callable[[], float]:
    """Returns a clock for work on a device. On the processor it is the time that the processor gave this process, which
    other processes change least; on an accelerator it is that of the wall, when all work so far is done."""
    if device == "cpu":
        return time.process_time

    def clock() -> float:
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()

    return clock


def peak() -> float:
    """Returns the peak resident memory of this process so far (MiB)."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2**20 if sys.platform == "darwin" else size / 2**10
