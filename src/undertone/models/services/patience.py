"""How long to wait for a service that fails."""

import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from undertone.errors import UndertoneError
from undertone.models.services.wire import Again

logger = logging.getLogger("undertone")
Result = TypeVar("Result")
KEPT = "finished work is kept: give the same command again to go on"
TOLD: set[tuple[str, str]] = set()
"""What has failed and how, as far as it was told."""


@dataclass(frozen=True)
class Patience:
    """How often and how long (seconds) to wait for a service that fails."""

    tries: int = 8
    """Attempts at one request."""
    pause: float = 0.5
    """First pause. It doubles after every failure and is shortened by up to a half at random."""
    longest: float = 120.0
    """Longest pause. If a service asks for a longer one, the work ends."""
    deadline: float = 300.0
    """Longest time for one answer."""

    def insist(self, name: str, call: Callable[[], Result], wait: Callable[[float], object] = time.sleep) -> Result:
        """Returns the result of ``call``, which is repeated while it raises :class:`Again`.

        Raises:
            UndertoneError: ``name`` failed too often or asks for too long a pause.
        """
        for attempt in range(self.tries):
            try:
                return call()
            except Again as failure:
                last, pause = failure, failure.after
            if pause is None:
                pause = min(self.longest, self.pause * 2**attempt) * random.uniform(0.5, 1.0)
            if pause > self.longest:
                raise UndertoneError(f"{name} asks to wait {pause:.0f} s ({last}); {KEPT}.")
            if attempt + 1 < self.tries:
                _tell(name, str(last), self.tries)
                wait(pause)
        raise UndertoneError(f"{name} failed {self.tries} times in a row, last with {last}; {KEPT}.")


def _tell(name: str, reason: str, tries: int) -> None:
    """Says once for each kind of failure that it is tried again, because that can take minutes."""
    kind = (name, re.split("[:(]", reason)[0])
    if kind not in TOLD:
        TOLD.add(kind)
        logger.warning("%s: %s; trying again, up to %d times in all.", name, reason, tries)
