"""Batches that fit into memory: when memory runs out, the batch is halved and tried again, with a warning."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from undertone.engine.memory import full

MORE = 4
"""How many times as many rows an accelerator gets at once as a core. Too many are halved."""
logger = logging.getLogger("undertone")
Result = TypeVar("Result")


def in_batches(count: int, size: int, work: Callable[[slice], Result]) -> Iterator[Result]:
    """Yields the results of ``work`` for batches of at most ``size`` of ``count`` rows, in order.

    Raises:
        UndertoneError: one row does not fit into the accelerator's memory.
    """
    start = 0
    while start < count:
        rows = slice(start, min(start + size, count))
        try:
            done = work(rows)
        except torch.OutOfMemoryError as error:
            size = halved(rows.stop - start, error)
            continue
        start = rows.stop
        yield done


def starting(size: int, device: torch.device) -> int:
    """The rows of a first batch: ``size`` on the processor, and more on an accelerator, which they keep busy."""
    return size if device.type == "cpu" else MORE * size


def halved(size: int, error: torch.OutOfMemoryError) -> int:
    """Half of the ``size`` of a batch for which memory ran out.

    Raises:
        UndertoneError: the batch was a single row.
    """
    if size == 1:
        half = "rows of half as many tokens, or a model half as large, need about half as much"
        raise full("one row of this model beside what is there", half) from error
    logger.warning("out of memory with %d rows at once: going on with %d", size, size // 2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the failed batch left it fragmented
    return size // 2
