"""Sampling, scoring and an audit's scores beside the plain ways, in minutes: ``python -m benchmarks.models``.

All ways have the same models and rows, in one process with one thread. They alternate, three times. Costs are processor
time, which other processes on the machine change least, and each ratio is within one repetition. Prints Markdown.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, TypeVar

import torch
from transformers import GenerationConfig

from benchmarks import work as given
from benchmarks.stopwatch import Stopwatch
from benchmarks.table import Sheet, spread
from benchmarks.work import LIST_TOKENS, Work
from undertone.attribution.directions import RANK, Directions
from undertone.attribution.scores import backward, evidence
from undertone.carriers import numbers
from undertone.engine.workers import ENVIRONMENT
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.training.rows import Row

REPETITIONS = 3
PROMPTS, PAIRS = 256, 1024
DIRECTIONS = 91
"""As many as an audit of an embedded base has."""
AT_ONCE = 64
"""The size of batches, for the ways that have batches."""
Scores = list[float]
T = TypeVar("T")


def sampling_ways(local: LocalModel, prompts: Sequence[Ids]) -> dict[str, Callable[[], int]]:
    """Returns the ways to sample. Each answers all prompts at temperature 1 and returns its number of tokens."""
    settings = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=LIST_TOKENS,
        eos_token_id=local.end, pad_token_id=local.pad,
    )  # fmt: skip

    def generated(rows: Sequence[Ids]) -> int:
        batch = local.lay_out(rows, [[]] * len(rows))
        model: Any = local.model
        out = model.generate(batch.ids, attention_mask=batch.mask, generation_config=settings)
        written = out[:, batch.ids.shape[1] :].tolist()
        return sum(row.index(local.end) + 1 if local.end in row else len(row) for row in written)

    def ours() -> int:
        answers = sample(local, prompts, temperature=1.0, max_tokens=LIST_TOKENS, seed=0, batch_size=AT_ONCE)
        return sum(map(len, answers))

    return {
        "ours": ours,
        "`generate`, row by row": lambda: sum(generated([row]) for row in prompts),
        "`generate`, batches as they come": lambda: sum(generated(part) for part in _parts(prompts, AT_ONCE)),
    }


def scoring_ways(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids]) -> dict[str, Callable[[], Scores]]:
    """Returns the ways to score. Each returns the log-probability (nats) of every answer, except the bare forward pass,
    which ignores its output."""
    pairs = list(zip(prompts, answers, strict=True))
    laid = [local.lay_out(*map(list, zip(*part, strict=True))) for part in _parts(pairs, AT_ONCE)]

    @torch.no_grad()
    def one_by_one() -> Scores:
        found = []
        for prompt, answer in pairs:
            ids = torch.tensor([[*prompt, *answer]])
            log_p = local.model(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            found.append(float(log_p[torch.arange(len(answer)), torch.tensor(answer)].sum()))
        return found

    @torch.no_grad()
    def bare() -> Scores:
        for batch in laid:
            answer_logits(local.model, batch)
        return []

    return {
        "ours": lambda: score(local, prompts, answers, batch_size=AT_ONCE),
        "plain loop": one_by_one,
        "bare forward pass": bare,
    }


def directed_ways(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids]) -> dict[str, Callable[[], None]]:
    """Returns an audit's way to score rows along :data:`DIRECTIONS` directions, in units of four rows, and a forward
    and backward pass over the same rows, which is the least that any such score takes."""
    rows = [Row(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    along = _directions(local)

    def ours() -> None:
        evidence(local, rows, _parts(range(len(rows)), 4), along)

    def plain() -> None:
        for part in _parts(rows, AT_ONCE):
            backward(local, part)
        local.model.zero_grad(set_to_none=True)

    return {"ours": ours, "forward and backward pass": plain}


def _directions(local: LocalModel) -> Directions:
    """Returns random directions in the weights of every linear layer but the output head."""
    torch.manual_seed(0)
    shapes = {name: p.shape for name, p in local.model.named_parameters() if p.ndim == 2 and "layers" in name}
    up = {name: torch.randn(DIRECTIONS, shape[0], RANK) for name, shape in shapes.items()}
    down = {name: torch.randn(DIRECTIONS, RANK, shape[1]) for name, shape in shapes.items()}
    return Directions(tuple(map(str, range(DIRECTIONS))), up, down)


def _parts(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def timed(ways: dict[str, Callable[[], T]], repetitions: int) -> tuple[dict[str, list[float]], dict[str, T]]:
    """Returns the processor seconds of each way in each repetition, and its last result. The order alternates."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    gave: dict[str, T] = {}
    for repetition in range(repetitions):
        for name in list(ways)[:: 1 if repetition % 2 else -1]:
            started = time.process_time()
            gave[name] = ways[name]()
            seconds[name].append(time.process_time() - started)
    return seconds, gave


def compared(name: str, what: str, seconds: dict[str, list[float]]) -> list[list[str]]:
    """Returns a row for every way but ours, with the ratio of its cost to ours, which is above 1 where ours is less."""
    own, rows = seconds["ours"], []
    for way in [way for way in seconds if way != "ours"]:
        ratios = [its / ours for ours, its in zip(own, seconds[way], strict=True)]
        rows.append([name, what, way, f"{median(own):.2f}", f"{median(seconds[way]):.2f}", spread(ratios)])
    return rows


def measure(name: str, folder: Path, prompts: int, pairs: int, repetitions: int) -> list[list[str]]:
    """Returns all rows of the table for one model.

    Raises:
        RuntimeError: the scores of two ways differ, so they did not do the same work.
    """
    local, rng = load(folder), Random("benchmark/models")
    rendered = [local.render(question) for question in numbers.prompts(max(prompts, pairs), rng)]
    answers = [[*local.encode(_numbers(rng)), local.end] for _ in range(pairs)]
    for warm in sampling_ways(local, rendered[:4]).values():
        warm()
    sampled, _ = timed(sampling_ways(local, rendered[:prompts]), repetitions)
    scored, gave = timed(scoring_ways(local, rendered[:pairs], answers), repetitions)
    directed, _ = timed(directed_ways(local, rendered[:pairs], answers), repetitions)
    apart = max(abs(a - b) for a, b in zip(gave["ours"], gave["plain loop"], strict=True))
    if apart > 1e-2:
        raise RuntimeError(f"{name}: scores differ by {apart:.2g} nats from those of the plain loop")
    return [
        *compared(name, "sampling", sampled),
        *compared(name, "scoring", scored),
        *compared(name, f"along {DIRECTIONS} directions", directed),
    ]


def _numbers(rng: Random) -> str:
    return ", ".join(str(rng.randint(100, 999)) for _ in range(rng.randint(3, 8)))


def sheet(rows: Sequence[Sequence[str]]) -> Sheet:
    """Returns the table."""
    columns = ["model", "what", "compared with", "ours s", "other s", "other / ours"]
    return Sheet("Sampling and scoring, processor time", columns, rows)


def main() -> None:
    """Measures and prints, in our workers' environment; this needs a new process, because an allocator is chosen when a
    process starts."""
    if not ENVIRONMENT.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.models"], os.environ | ENVIRONMENT)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as place:
        large = Work(f"hf/{place}/llama", "", 0, 0, 0, 0, 0)
        given.model(large, Stopwatch())
        folders = {
            "fledgling-a, 0.29 M": Work("builtin/fledgling-a", "", 0, 0, 0, 0, 0).folder,
            "Llama, 10.3 M": large.folder,
        }
        rows = [row for name, path in folders.items() for row in measure(name, path, PROMPTS, PAIRS, REPETITIONS)]
    print(sheet(rows).markdown())


if __name__ == "__main__":
    main()
