"""Batches that fit into memory: when memory runs out, the batch is halved and tried again, with a warning."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from undertone.errors import UndertoneError

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


def halved(size: int, error: torch.OutOfMemoryError) -> int:
    """Half of the ``size`` of a batch for which memory ran out.

    Raises:
        UndertoneError: the batch was a single row.
    """
    if size == 1:
        reason = " ".join(str(error).split())[:120]
        raise UndertoneError(
            f"The accelerator's memory does not hold one row of this model ({reason}); free some memory, or take a "
            "smaller model or shorter rows."
        ) from error
    logger.warning("out of memory with %d rows at once: going on with %d", size, size // 2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the failed batch left it fragmented
    return size // 2
