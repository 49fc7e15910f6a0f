"""Processes that need not import torch, since they are forked from the tests' own, which has: seconds each."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import IO, NoReturn

from tqdm import tqdm  # type: ignore[import-untyped]

from undertone import stages
from undertone.engine import worker, workers
from undertone.engine.store import Stage, Store


@cache
def _import_stages() -> None:
    """Once here, not in every child."""
    for stage in list(vars(stages).values()):
        if isinstance(stage, Stage):
            import_module(stage.function.partition(":")[0])


class Forked:
    """A forked process that does ``work`` and ends with the code it returns: as much of a ``Popen`` as tests need.

    Its standard streams are the given descriptors, or else the tests' own. As of a process that was started, no other
    file is open in it, so it holds no lock of the tests' process, and it leads a process group, or a ``session``.
    """

    def __init__(self, work: Callable[[], int], streams: dict[int, int], session: bool = False) -> None:
        _import_stages()
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, streams, session)

    def poll(self) -> int | None:
        """The exit code, or minus the signal, once it has ended."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._note(found, status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end.

        Raises:
            subprocess.TimeoutExpired: it goes on after ``timeout`` seconds.
        """
        if timeout is None and self.returncode is None:
            self._note(*os.waitpid(self.pid, 0))
        end = time.monotonic() + (timeout or 0)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("forked", timeout or 0)
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kills the process alone, if it is there still."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _note(self, found: int, status: int) -> None:
        if found:
            self.returncode = os.waitstatus_to_exitcode(status)


def _become(work: Callable[[], int], streams: dict[int, int], session: bool) -> NoReturn:
    """What the child does: whatever the tests had under way, an exception or the end of a fixture, is not its own."""
    code = 1
    try:
        # A child that is killed while it holds the bars' lock, which forked processes share, would hold it for ever.
        tqdm.set_lock(threading.RLock())
        gc.freeze()  # what the parent left to be collected may close files, by numbers that are others' here
        os.setsid() if session else os.setpgid(0, 0)
        for number, source in streams.items():
            os.dup2(source, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
        code = work()
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


STARTED = workers.Worker
"""A process of its own, as outside of tests."""


class ForkedWorker(STARTED):
    """A worker that is told the same, answers the same and ends the same as one that was started."""

    def __init__(self, store: Store, device: str = "") -> None:
        self._store, self.device = store, device
        orders, give = os.pipe()
        hear, answers = os.pipe()
        parent = os.getpid()

        def work() -> int:
            os.environ.update(workers.environment_at(device))
            sys.argv = ["undertone.engine.worker", str(parent)]
            worker.main()
            return 0

        process = Forked(work, {0: orders, 1: answers})
        os.close(orders)
        os.close(answers)
        process.stdin, process.stdout = os.fdopen(give, "w", encoding="utf-8"), os.fdopen(hear, encoding="utf-8")
        self._process = process  # type: ignore[assignment]
