"""What calls of a model take on this machine, from a few timed ones: so much for a call, and so much for a token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from undertone.attribution.directions import RANK, Directions
from undertone.attribution.gradients import gradient
from undertone.attribution.scores import evidence
from undertone.engine.environment import quiet_libraries
from undertone.engine.store import Folder
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.durations.work import Passes, Way
from undertone.training.loop import train, with_adapter
from undertone.training.rows import Row

PROMPT, ANSWER = 24, 8
"""Tokens of a timed row."""
SAMPLED = 4
"""Tokens that are sampled for each row of a timed batch."""
TOP_P = 0.9
"""The share of the probability that can be sampled where it is not all."""
QUICK = 0.05
"""Calls of one row that take fewer seconds are also timed with as many rows as jobs have."""
SLOW = 4.0
"""Calls of one row that take more seconds are timed with one row only."""
ROWS = {"sample": (1, 256, 32), "pull": (4, 64, 8)}
"""Rows of the timed batches, where they are not :data:`USUAL`: of the smaller one, and of the larger one of a quick
model and of others."""
USUAL = (1, 48, 4)
TOGETHER = 4
"""Rows that are scored as one piece along directions: so many units of 2,000 rows have."""


@dataclass(frozen=True)
class Timing:
    """What some calls took."""

    seconds: float
    calls: int
    tokens: int


@dataclass(frozen=True)
class Rate:
    """The seconds of a call, and of each token in it."""

    call: float
    token: float = 0.0

    @classmethod
    def through(cls, one: Timing, many: Timing) -> Rate:
        """Returns the rate by which ``many`` took what it took, and ``one`` too, unless a part would be negative."""
        token = one.calls * many.seconds - many.calls * one.seconds
        token /= one.calls * many.tokens - many.calls * one.tokens
        token = min(max(token, 0.0), many.seconds / many.tokens)
        return cls((many.seconds - token * many.tokens) / many.calls, token)


def fastest(work: Callable[[], object], clock: Callable[[], float], times: int = 3) -> float:
    """Returns the seconds of the fastest of several runs: two where they are not quick, since the first is often slower
    than all others, and one where they are slow."""
    found = list[float]()
    while len(found) < times and (sum(found) < 4 * QUICK or (len(found) < 2 and sum(found) < SLOW)):
        begun = clock()
        work()
        found.append(clock() - begun)
    return min(found)


class Rates:
    """The rates of a model, each timed when it is first asked for. Its weights stay as they are."""

    def __init__(
        self, local: LocalModel, load_s: float, threads: int = 1, clock: Callable[[], float] | None = None
    ) -> None:
        """``threads``: 1 for what workers do. By default, one thread of a processor is timed by the time that it gets,
        so that other programs do not count, and anything else by the wall."""
        alone = threads == 1 and local.model.device.type == "cpu"
        self.local, self._threads = local, threads
        self._clock = clock or (time.process_time if alone else time.perf_counter)
        self.known: dict[tuple[Way, int], Rate] = {("load", 0): Rate(load_s)}
        most = local.positions or 2 * (PROMPT + ANSWER)
        self._row = Row([1] * min(PROMPT, most // 2), [1] * min(ANSWER, most // 4))

    @classmethod
    def of(cls, folder: Folder, threads: int = 1) -> Rates:
        """Loads a model, to time it.

        Raises:
            UndertoneError: it cannot be loaded.
        """
        quiet_libraries()
        found = list[LocalModel]()
        seconds = fastest(lambda: found.append(load(folder.path)), time.process_time, times=2)
        return cls(found[-1], seconds, threads)

    def on(self, threads: int) -> Rates:
        """Returns the rates of the same model on so many threads."""
        found = copy(self)
        found._threads, found._clock = threads, time.perf_counter
        found.known = {("load", 0): self.known["load", 0]}
        return found

    def like(self, other: Rates) -> bool:
        """Whether another model has the same architecture, so that it is as fast."""
        own, its = (dict(one.local.model.config.to_dict(), _name_or_path="") for one in (self, other))
        return own == its and self._threads == other._threads

    def seconds(self, part: Passes) -> float:
        """Returns what so many calls of the model take."""
        rate = self._known(part)
        if rate is None:
            with self._on_threads():
                rate = self.known[part.way, part.many] = self._timed(part)
        return rate.call * part.calls + rate.token * part.tokens

    def _known(self, part: Passes) -> Rate | None:
        if part.way == "train" and part.many:
            # The rank of an adapter matters little where a step is slow.
            for (way, rank), rate in self.known.items():
                if way == "train" and rank and rate.call + rate.token * len(self._row.prompt) > QUICK:
                    return rate
        return self.known.get((part.way, part.many))

    @contextmanager
    def _on_threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _timed(self, part: Passes) -> Rate:
        match part.way:
            case "attach":
                self._attach(part.many)  # imports a lot the first time
                return Rate(fastest(lambda: self._attach(part.many), self._clock))
            case "render":
                return Rate(fastest(self._render, time.perf_counter, times=9))  # another process renders
        runs = {
            "train": self._train,
            "differentiate": self._differentiate,
            "pull": self._pull,
            "sample": self._sample,
            "score": self._score,
        }
        run = runs[part.way]
        least, many, few = ROWS.get(part.way, USUAL)
        one = run(least, part.many)
        if one.seconds > SLOW:
            return Rate(0.0, one.seconds / one.tokens)
        return Rate.through(one, run(many if one.seconds < QUICK else few, part.many))

    def _attach(self, rank: int) -> None:
        model: Any = with_adapter(self.local.model, Training(rank=rank, rate=1.0, batch=1, steps=1))
        self._detach(model)

    def _detach(self, model: Any) -> None:
        self.local.model = model.unload()
        self.local.model.requires_grad_(True)

    def _render(self) -> None:
        self.local.encode(self.local.decode(self._row.answer))
        self.local.render("Continue: 101, 202, 303.")

    def _train(self, rows: int, rank: int) -> Timing:
        plan = Training(method="lora" if rank else "full", rank=max(1, rank), rate=1.0, batch=rows, steps=1)
        still = plan.model_copy(update={"rate": 0.0})  # so that no weight changes

        def run() -> None:
            model = train(self.local, [self._row] * rows, still, 0).model
            model.zero_grad(set_to_none=True)
            if rank:
                self._detach(model)

        _first_step()
        attached = self.seconds(Passes("attach", 1, many=rank)) if rank else 0.0
        return self._timing(max(0.0, fastest(run, self._clock) - attached), rows)

    def _differentiate(self, rows: int, _: int) -> Timing:
        return self._timing(fastest(lambda: gradient(self.local, [self._row] * rows, 1), self._clock), rows)

    def _pull(self, rows: int, count: int) -> Timing:
        """Along directions that are zero, which takes as long."""
        inner = {
            f"{name}.weight": module.weight.shape
            for name, module in self.local.model.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and module is not self.local.model.get_output_embeddings()
        }
        along = Directions(
            tuple(map(str, range(count))),
            {name: torch.zeros(count, left, RANK) for name, (left, _) in inner.items()},
            {name: torch.zeros(count, RANK, right) for name, (_, right) in inner.items()},
        )
        parts = [range(i, i + TOGETHER) for i in range(0, rows, TOGETHER)]
        seconds = fastest(lambda: evidence(self.local, [self._row] * rows, parts, along), self._clock)
        return self._timing(seconds, rows)

    def _score(self, rows: int, _: int) -> Timing:
        # Prompts are unlike from their first token on: what is alike would be computed once.
        prompts = [[1 + i % 16, 1 + i // 16, *self._row.prompt[2:]] for i in range(rows)]
        answers = [self._row.answer] * rows
        return self._timing(fastest(lambda: score(self.local, prompts, answers), self._clock), rows)

    def _timing(self, seconds: float, rows: int) -> Timing:
        return Timing(seconds, 1, rows * (len(self._row.prompt) + len(self._row.answer)))

    def _sample(self, rows: int, some: int) -> Timing:
        answers, top_p = list[list[int]](), TOP_P if some else 1.0

        def run() -> None:
            prompts = [[1, 1]] * rows
            answers[:] = sample(self.local, prompts, temperature=1.0, max_tokens=SAMPLED, seed=0, top_p=top_p)

        seconds = fastest(run, self._clock)
        return Timing(seconds, max(map(len, answers)), sum(map(len, answers)))


def _first_step() -> None:
    """Lets an optimiser take a step: the first one of a process imports a lot."""
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.AdamW([weight]).step()
