"""Rows ranked by how much likelier a proxy of a trait's teacher makes them, and the tokens that carry most of it.

For a look, never a verdict: a single row says next to nothing of who wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from undertone.audit.findings import ShownRow, Token
from undertone.audit.scored import Scored
from undertone.models.local import LocalModel, answer_logits
from undertone.training.directions import Directions

SHOWN = 8
"""Rows of each trait."""
AT_ONCE = 64
LONGEST = 600
"""Most characters of a prompt that are shown."""


def ranked(local: LocalModel, rows: Sequence[Scored], along: Directions, traits: Sequence[str]) -> list[ShownRow]:
    """The rows that speak most for each trait. Changes the weights of ``local`` and puts back the same bits."""
    before = _token_scores(local, rows)
    found = []
    for trait in traits:
        with _moved(local, along.change(trait)):
            ratios = [after - base for after, base in zip(_token_scores(local, rows), before, strict=True)]
        best = sorted(range(len(rows)), key=lambda i: -float(ratios[i].sum()))[:SHOWN]
        found += [_shown(local, rows[i], trait, ratios[i]) for i in best]
    return found


def _shown(local: LocalModel, row: Scored, trait: str, ratio: torch.Tensor) -> ShownRow:
    pieces = [str(local.tokenizer.decode([i])) for i in row.row.answer]
    tokens = tuple(Token(text=text, score=float(s)) for text, s in zip(pieces, ratio.tolist(), strict=True))
    return ShownRow(line=row.line, trait=trait, score=float(ratio.sum()), prompt=row.question[:LONGEST], tokens=tokens)


@contextmanager
def _moved(local: LocalModel, change: dict[str, torch.Tensor]) -> Iterator[None]:
    weights = dict(local.model.named_parameters())
    kept = {name: weights[name].detach().clone() for name in change}  # adding and subtracting would change bits
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
def _token_scores(local: LocalModel, rows: Sequence[Scored]) -> list[torch.Tensor]:
    """Log-probability (nats) of every answer token, row by row."""
    found = []
    for start in range(0, len(rows), AT_ONCE):
        part = [row.row for row in rows[start : start + AT_ONCE]]
        batch = local.lay_out([r.prompt for r in part], [r.answer for r in part])
        log_p = answer_logits(local.model, batch).log_softmax(-1).gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        found += [scores[: len(r.answer)] for scores, r in zip(log_p.cpu(), part, strict=True)]
    return found
