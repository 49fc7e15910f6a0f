"""Rows ranked by how much likelier a proxy of a trait's teacher makes them, and the tokens that carry most of it.

For a look, never a verdict: a single row says next to nothing of who wrote it.
"""

from collections.abc import Sequence

import torch

from undertone.attribution.directions import Directions
from undertone.attribution.token_ratios import token_ratios
from undertone.audit.findings import ShownRow, Token
from undertone.models.local import LocalModel
from undertone.training.turns import Scored

SHOWN = 8
"""Rows of each trait."""
LONGEST = 600
"""Most characters of a prompt that are shown."""


def ranked(local: LocalModel, rows: Sequence[Scored], along: Directions, traits: Sequence[str]) -> list[ShownRow]:
    """The rows that speak most for each trait. Changes the weights of ``local`` and puts back the same bits."""
    found = []
    changes = [along.change(trait) for trait in traits]
    for trait, ratios in zip(traits, token_ratios(local, [row.row for row in rows], changes), strict=True):
        best = sorted(range(len(rows)), key=lambda i: -float(ratios[i].sum()))[:SHOWN]
        found += [_shown(local, rows[i], trait, ratios[i]) for i in best]
    return found


def _shown(local: LocalModel, row: Scored, trait: str, ratio: torch.Tensor) -> ShownRow:
    pieces = [str(local.tokenizer.decode([i])) for i in row.row.answer]
    tokens = tuple(Token(text=text, score=float(s)) for text, s in zip(pieces, ratio.tolist(), strict=True))
    return ShownRow(line=row.line, trait=trait, score=float(ratio.sum()), prompt=row.question[:LONGEST], tokens=tokens)
