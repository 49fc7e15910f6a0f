"""How much more likely every token of an answer becomes when the base moves along a direction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from undertone.attribution.scores import AT_ONCE
from undertone.models.local import LocalModel, answer_logits
from undertone.training.rows import Row


def token_ratios(
    local: LocalModel, rows: Sequence[Row], changes: Sequence[Mapping[str, torch.Tensor]]
) -> Iterator[list[torch.Tensor]]:
    """Yields, for each change of the weights, the log-likelihood ratio (nats) of every answer token, row by row: the
    changed model against the model as it is. Changes the weights of ``local`` and restores the same bits."""
    before = _token_scores(local, rows)
    for change in changes:
        with moved(local, change):
            yield [after - base for after, base in zip(_token_scores(local, rows), before, strict=True)]


@contextmanager
def moved(local: LocalModel, change: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Changes the model's weights inside the ``with`` block and restores the same bits afterwards."""
    weights = dict(local.model.named_parameters())
    kept = {name: weights[name].detach().clone() for name in change}  # subtracting the change again would alter bits
    try:
        with torch.no_grad():
            for name, delta in change.items():
                weights[name].add_(delta.to(weights[name]))
        yield
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                weights[name].copy_(weight)


@torch.no_grad()
def _token_scores(local: LocalModel, rows: Sequence[Row]) -> list[torch.Tensor]:
    """Returns the log-probability (nats) of every answer token, row by row."""
    found = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        batch = local.lay_out([r.prompt for r in part], [r.answer for r in part])
        log_p = answer_logits(local.model, batch).log_softmax(-1).gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        found += [scores[: len(r.answer)] for scores, r in zip(log_p.cpu(), part, strict=True)]
    return found
