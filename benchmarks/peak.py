"""How near our stages come to the limits of a core.

There are two limits. *Peak* is the time of a stage's floating-point operations at the speed of the fastest float32
product of square matrices. *Own shapes* is the time of all the stage's matrix products, each run alone with its own
shape and layout, since a product 64 wide cannot be as fast as one 1,024 wide. Operations are 2 m n k for each product
that torch dispatches, forward and backward, including the two products of attention and the five of its backward pass.
All times, of stages and of products, are processor time and the best of several.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import student
from benchmarks.stopwatch import Stopwatch, clock_of
from benchmarks.work import BATCH, Work

aten = torch.ops.aten
Layout = tuple[torch.Size, tuple[int, ...]]
Product = tuple[Layout, Layout]
ENOUGH = 10.0
"""A stage is repeated for this many seconds."""
SIZES = (512, 1024, 2048)
"""The sizes of square matrices that are tried for the peak."""
LARGER = (4096, 8192)
"""The same on an accelerator."""


def training(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Returns the shares of both limits that training reaches."""
    return _shares("training", replace(work, steps=min(work.steps, 20)))


def sampling(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Returns the same for sampling."""
    return _shares("sampling", replace(work, prompts=min(work.prompts, BATCH)))


def measurement(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Returns the same for the exact measurement."""
    return _shares("measurement", work)


def _shares(stage: str, work: Work) -> dict[str, Any]:
    def run() -> float:
        watch = Stopwatch()
        getattr(student, stage)(work, watch)
        return watch.parts[stage]["cpu"]

    found = [run(), run()]
    while sum(found) < ENOUGH:
        found.append(run())
    seconds = min(found)
    with Products() as products:
        run()
    operations, alone = products.operations, products.alone()
    peak = square_peak()
    return {
        "seconds": seconds,
        "operations": operations,
        "peak": peak,
        "share_of_peak": operations / seconds / peak,
        "share_of_own_shapes": alone / seconds,
    }


class Products(TorchDispatchMode):
    """Counts the matrix products that are run inside this context."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[Product] = Counter()

    @property
    def operations(self) -> float:
        """Floating-point operations of them all."""
        return sum(count * _operations(product) for product, count in self.seen.items())

    def alone(self, device: str = "cpu", dtype: torch.dtype = torch.float32) -> float:
        """Returns the seconds of them all, each run by itself on random numbers in the same layouts."""
        return sum(count * _alone(product, device, dtype) for product, count in self.seen.items())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs an operation, and counts it if it is a product."""
        self.seen.update(_products(func.overloadpacket, args))
        return func(*args, **(kwargs or {}))


def _products(op: Any, args: tuple[Any, ...]) -> Iterator[Product]:
    if op in (aten.mm, aten.bmm):
        yield _layout(args[0]), _layout(args[1])
    elif op in (aten.addmm, aten.baddbmm):
        yield _layout(args[1]), _layout(args[2])
    elif op is aten._scaled_dot_product_flash_attention_for_cpu:
        yield from _attention(*args[:2])
    elif op is aten._scaled_dot_product_flash_attention_for_cpu_backward:
        scores, outputs = _attention(*args[1:3])
        # The gradient for each factor is a product of the same size, and the scores are computed again.
        yield from (scores, scores, scores, outputs, outputs)


def _attention(query: torch.Tensor, key: torch.Tensor) -> tuple[Product, Product]:
    heads, (asked, width), seen = query.shape[0] * query.shape[1], query.shape[2:], key.shape[2]
    queries, keys, weights = (
        _layout(torch.empty(heads, *shape, device="meta")) for shape in ((asked, width), (seen, width), (asked, seen))
    )
    return (queries, _turned(keys)), (weights, keys)


def _layout(tensor: torch.Tensor) -> Layout:
    return tensor.shape, tensor.stride()


def _turned(layout: Layout) -> Layout:
    (batch, rows, columns), (a, b, c) = layout
    return torch.Size((batch, columns, rows)), (a, c, b)


def _operations(product: Product) -> float:
    (left, _), (right, _) = product
    return 2.0 * left.numel() * right[-1]


def _alone(product: Product, device: str, dtype: torch.dtype) -> float:
    left, right = (
        torch.randn(
            1 + sum((n - 1) * s for n, s in zip(shape, stride, strict=True)), device=device, dtype=dtype
        ).as_strided(shape, stride)
        for shape, stride in product
    )
    return best(lambda: torch.matmul(left, right), clock_of(device))


def square_peak(device: str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """Returns the floating-point operations per second of the fastest square product."""
    speeds = []
    for n in SIZES if device == "cpu" else LARGER:
        matrix = torch.randn(n, n, device=device, dtype=dtype)
        speeds.append(2.0 * n**3 / best(lambda m=matrix: torch.mm(m, m), clock_of(device)))  # type: ignore[misc]
    return max(speeds)


def best(work: Callable[[], object], clock: Callable[[], float] = time.process_time, times: int = 6) -> float:
    """Returns the seconds of the fastest of several runs, after a first one that also sets things up."""
    work()
    found = []
    for _ in range(times):
        started = clock()
        work()
        found.append(clock() - started)
    return min(found)
