"""Batches that fit: where memory runs out, a batch is halved and done again, and whoever watches is told."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from undertone.errors import UndertoneError

logger = logging.getLogger("undertone")
Result = TypeVar("Result")


def in_batches(count: int, size: int, work: Callable[[slice], Result]) -> Iterator[Result]:
    """What ``work`` makes of each batch of at most ``size`` of ``count`` rows, in order.

    Raises:
        UndertoneError: the accelerator's memory does not hold one row.
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
    """Half of a batch of ``size`` rows for which memory ran out.

    Raises:
        UndertoneError: one row was too much.
    """
    if size == 1:
        told = " ".join(str(error).split())[:120]
        raise UndertoneError(
            f"The accelerator's memory does not hold one row of this model ({told}); free some memory, or take a "
            "smaller model or shorter rows."
        ) from error
    logger.warning("out of memory with %d rows at once: going on with %d", size, size // 2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # what the failed batch held lies in pieces
    return size // 2
