"""How much more likely every token of an answer becomes when the base moves along a direction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from undertone.attribution.scores import AT_ONCE
from undertone.models.batching import in_batches
from undertone.models.local import LocalModel, answer_logits
from undertone.training.rows import Row


def token_ratios(
    local: LocalModel, rows: Sequence[Row], changes: Sequence[Mapping[str, torch.Tensor]]
) -> Iterator[list[torch.Tensor]]:
    """Yields, for each change of the weights, the log-likelihood ratio (nats) of every answer token, row by row: the
    changed model against the model as it is. Changes the weights of ``local``, in float32, and restores the same
    bits."""
    local.model.float()  # in which the changed model is read
    before = _token_scores(local, rows)
    for change in changes:
        with moved(local, change):
            yield [after - base for after, base in zip(_token_scores(local, rows), before, strict=True)]


@contextmanager
def moved(local: LocalModel, change: Mapping[str, torch.Tensor]) -> Iterator[Callable[[float], None]]:
    """Changes the model's weights inside the ``with`` block, in float32, because bfloat16 would lose small changes, and
    restores the same numbers afterwards. Yields a function that makes so many times the change of them."""
    weights = dict(local.model.float().named_parameters())
    kept = {name: weights[name].detach().clone() for name in change}  # subtracting the change again would alter bits

    def stretch(factor: float) -> None:
        with torch.no_grad():
            for name, delta in change.items():
                weights[name].copy_(kept[name] + factor * delta.to(kept[name]))

    try:
        stretch(1.0)
        yield stretch
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                weights[name].copy_(weight)


@torch.no_grad()
def _token_scores(local: LocalModel, rows: Sequence[Row]) -> list[torch.Tensor]:
    """Returns the log-probability (nats) of every answer token, row by row."""

    def scored(some: slice) -> list[torch.Tensor]:
        part = rows[some]
        batch = local.lay_out([r.prompt for r in part], [r.answer for r in part])
        log_p = answer_logits(local.model, batch).log_softmax(-1).gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        return [scores[: len(r.answer)] for scores, r in zip(log_p.cpu(), part, strict=True)]

    return [scores for part in in_batches(len(rows), AT_ONCE, scored) for scores in part]
