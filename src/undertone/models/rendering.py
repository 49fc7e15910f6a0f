"""Asks a process of its own to render chat templates, and ends it when one breaks its limits."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any

from undertone.errors import UndertoneError
from undertone.models.renderer import MEMORY, SECONDS

PATIENCE = 120.0
"""Seconds after which a process that does not answer is ended. It ends itself after far less of the processor's time,
of which it gets little on a busy machine."""
KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
"""What the process is given of the environment, which may hold keys."""


class NotRendered(Exception):
    """Says in a few words why a template gives no text."""


class BreaksLimits(NotRendered):
    """The template takes too much time or memory, which it may do for every chat."""


class Renderer:
    """A process that renders. It is started when it is first needed, and again when it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pid = 0
        """0 if there is no process."""
        # Numbers and no file objects: in a forked process, these would close what has their number there.
        self._orders = self._answers = -1

    def render(self, template: str, values: Mapping[str, Any], day: str) -> str:
        """Returns the text that a template makes of ``values`` on a ``day`` in ISO format.

        Raises:
            NotRendered: the template is wrong or refuses.
            BreaksLimits: it takes too much time or memory.
            UndertoneError: the process cannot be started.
        """
        request = json.dumps({"template": template, "values": values, "day": day}).encode() + b"\n"
        with self._lock:
            if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
                self._close()
            if not self._pid:
                self._start()
            try:
                self._give(request)
                answer = json.loads(self._heard())
            except (EOFError, BrokenPipeError, TimeoutError):
                raise BreaksLimits(self._end()) from None
            except BaseException:  # an answer that nobody waits for any more would be taken for the next one
                self._end()
                raise
        if "error" in answer:
            raise NotRendered(answer["error"])
        return str(answer["text"])

    def forget(self) -> None:
        """Leaves the process to the one that this process was forked from."""
        self._lock = Lock()
        if self._pid:
            self._close()

    def _start(self) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        inside = {name: os.environ[name] for name in KEPT if name in os.environ}
        inside["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", "undertone.models.renderer"],
                inside,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, orders, 0),
                    (os.POSIX_SPAWN_DUP2, answers, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        except OSError as error:
            self._close()
            raise UndertoneError(f"No process can be started to render chat templates in: {error.strerror}.") from None
        finally:
            os.close(orders)
            os.close(answers)

    def _give(self, request: bytes) -> None:
        rest = memoryview(request)
        while rest:
            rest = rest[os.write(self._orders, rest) :]

    def _heard(self) -> bytes:
        """The process's answer: one line."""
        until, waiting, said = time.monotonic() + PATIENCE, select.poll(), bytearray()
        waiting.register(self._answers, select.POLLIN)
        while not said.endswith(b"\n"):
            if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
                raise TimeoutError
            part = os.read(self._answers, 2**16)
            if not part:
                raise EOFError
            said += part
        return bytes(said)

    def _end(self) -> str:
        """Ends the process and says why it gave no answer."""
        os.kill(self._pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._close()
        if code == -signal.SIGKILL:
            return f"nothing is heard for {PATIENCE:g} s"
        if code == -signal.SIGPROF:
            return f"it takes more than {SECONDS:g} s"
        return f"it takes more than {MEMORY // 2**20} MB"

    def _close(self) -> None:
        os.close(self._orders)
        os.close(self._answers)
        self._pid = 0


RENDERER = Renderer()
"""The one of this process."""
os.register_at_fork(after_in_child=RENDERER.forget)
