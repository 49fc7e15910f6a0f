"""Blocks are found in every architecture, and what they put out can be read and changed."""

import pytest
import torch

from tests.helpers import tiny
from undertone.errors import UndertoneError
from undertone.models.blocks import blocks, changed, middle


def _run(local: tiny.LocalModel, **how: object) -> torch.Tensor:
    batch = local.lay_out([local.render("Which animal?")], [[5, 6]])
    with torch.no_grad():
        out = local.model(input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, **how)
    return out if how else out.logits


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_outputs_are_the_hidden_states_that_the_next_block_reads(architecture: str) -> None:
    local = tiny.model(architecture, num_hidden_layers=3)
    seen: dict[int, torch.Tensor] = {}

    def keep(number: int, out: torch.Tensor) -> torch.Tensor:
        seen[number] = out
        return out

    with changed(local.model, keep):
        states = _run(local, output_hidden_states=True).hidden_states
    assert len(blocks(local.model)) == 3 and list(seen) == [0, 1, 2] and middle(local.model) == 1
    for number in (0, 1):
        assert torch.equal(seen[number], states[number + 1])
    assert not torch.equal(seen[2], states[3]), "the last hidden state of transformers is normalised"


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_change_is_in_force_until_the_context_closes(architecture: str) -> None:
    local = tiny.model(architecture)
    before = _run(local)
    with changed(local.model, lambda number, out: out + 1.0 if number == 1 else out):
        inside = _run(local)
    assert not torch.allclose(before, inside) and torch.equal(before, _run(local))
    with pytest.raises(ZeroDivisionError), changed(local.model, lambda number, out: 1 / 0):
        _run(local)
    assert torch.equal(before, _run(local))


def test_a_model_whose_blocks_cannot_be_found_is_refused() -> None:
    local = tiny.model()
    local.model.config.num_hidden_layers = 7
    with pytest.raises(UndertoneError, match="no list in it has 7 modules"):
        blocks(local.model)
