"""How long a service that fails is waited for."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from undertone.errors import UndertoneError
from undertone.models.services.wire import Again

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How often, and how long, a service that fails is waited for (seconds)."""

    tries: int = 8
    """Attempts at one request."""
    pause: float = 0.5
    """First pause, doubled after every failure and shortened at random by up to a half."""
    longest: float = 120.0
    """Longest pause; a service that asks for a longer one is given up."""
    deadline: float = 300.0
    """Longest time for one answer."""

    def after(self, attempt: int) -> float:
        """The pause after a failed attempt (0-based)."""
        return float(min(self.longest, self.pause * 2**attempt) * random.uniform(0.5, 1.0))

    def insist(self, name: str, call: Callable[[], Result]) -> Result:
        """What ``call`` gives once it succeeds.

        Raises:
            UndertoneError: it failed as often as patience lasts; ``name`` is who failed.
        """
        for attempt in range(self.tries):
            try:
                return call()
            except Again as failure:
                last, pause = failure, self.after(attempt) if failure.after is None else failure.after
                if pause > self.longest:
                    raise UndertoneError(f"{name} asks to wait {pause:.0f} s ({failure}).") from None
                if attempt + 1 < self.tries:
                    time.sleep(pause)
        raise UndertoneError(f"{name} failed {self.tries} times in a row, last with {last}.")
