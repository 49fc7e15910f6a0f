"""How far work has come, and how long the rest takes: by estimates, corrected by what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

LATE = 0.25
"""A part that takes longer than was thought is thought to take so much of its time so far again."""

LEAST = 0.001
"""The fewest seconds that a stage is thought to take, so that what was seen can correct it."""

SURE = 0.02
"""The share of all work by which the estimates as such count, beside what was seen."""


@dataclass
class Stage:
    """Work of one kind, in parts of equal length."""

    expected: float | None = None
    """Seconds that all parts were thought to take; None if nothing is known, so that they are counted by parts."""
    total: int = 1
    done: int = 0
    found: int = 0
    """How many of these were done before."""
    took: float = 0.0
    """Seconds that the others took."""
    begun: bool = False

    @property
    def left(self) -> int:
        """Parts that are not done."""
        return max(0, self.total - self.done)

    @property
    def made(self) -> int:
        """Parts that were done here."""
        return self.done - self.found

    @property
    def thought(self) -> float:
        """Seconds that the parts that were done here were thought to take."""
        return (self.expected or 0.0) * self.made / max(self.total - self.found, 1)


class Forecast:
    """Stages of work that come one after another, or side by side."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.stages: dict[str, Stage] = {}
        self._lock = Lock()  # progress is drawn by another thread than the one that works
        self._clock = clock
        self._began = self._last = clock()
        self._now = ""
        """The stage on which work was done last."""

    def expect(self, name: str, seconds: float) -> None:
        """Takes how many seconds a stage takes that has not begun."""
        with self._lock:
            self.stages[name] = Stage(max(seconds, LEAST))

    def advance(self, name: str, done: int, total: int, took: float | None = None) -> None:
        """Notes how much of a stage is done. What the first note of a stage says was done before. ``took``: seconds
        that were spent on what is new; by default all since the last note."""
        with self._lock:
            stage, now = self.stages.setdefault(name, Stage()), self._clock()
            if not stage.begun or done < stage.done:
                stage.begun, stage.found, stage.took = True, done, 0.0
            elif done > stage.done:
                stage.took += now - self._last if took is None else took
            stage.done, stage.total = done, max(done, total)
            self._last, self._now = now, name

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds that are left; None if that is not known."""
        with self._lock:
            return self._left()

    def _left(self) -> float | None:
        seconds = {name: self._seconds(stage, name) for name, stage in self.stages.items() if stage.left}
        known = {name: one for name, one in seconds.items() if one is not None}
        if len(known) < len(seconds) or not self.stages:
            return None
        if not known:
            return 0.0
        name = self._now if self._now in known else next(iter(known))
        part, passed = known[name] / self.stages[name].left, self._clock() - self._last
        return sum(known.values()) - part + max(part - passed, LATE * passed)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1: by seconds if they are known, else by parts."""
        left, passed = self.left, self.elapsed
        if left is None:
            stages = list(self.stages.values())
            total = sum(stage.total for stage in stages)
            return sum(stage.done for stage in stages) / total if total else 0.0
        return passed / (passed + left) if passed else 0.0

    def _seconds(self, stage: Stage, name: str) -> float | None:
        """Returns the seconds that the parts of a stage take that are left."""
        if stage.expected is not None:
            known = [one for one in self.stages.values() if one.expected is not None]
            all_of_them = _factor(known, SURE * sum(one.expected or 0.0 for one in known), 1.0)
            return (stage.expected - stage.thought) * _factor([stage], stage.expected / stage.total, all_of_them)
        kind = name.rpartition(": ")[2]  # what is done with several models has names such as "MODEL: answers"
        some = {one: each for one, each in self.stages.items() if each.made and each.expected is None}
        alike = [each for one, each in some.items() if one.rpartition(": ")[2] == kind]
        seen = [stage] if stage.made else alike or list(some.values())
        return sum(one.took for one in seen) / sum(one.made for one in seen) * stage.left if seen else None


def _factor(stages: Iterable[Stage], weight: float, before: float) -> float:
    """Returns how many times as long as was thought the stages took so far. ``before``, what is known without them,
    counts as much as ``weight`` seconds."""
    some = list(stages)
    took, thought = sum(one.took for one in some), sum(one.thought for one in some)
    return (took + weight * before) / (thought + weight) if thought + weight else before
