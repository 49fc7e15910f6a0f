"""Hidden states of a model, block by block, while it reads chats."""

from collections.abc import Sequence

import numpy as np
import torch

from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.blocks import blocks, changed
from undertone.models.local import Ids, LocalModel
from undertone.statistics.arrays import Floats

AT_ONCE = 32
"""Rows of a batch."""


def read_answers(
    local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], progress: Progress = silent, what: str = ""
) -> Floats:
    """Returns the mean output of every block over the tokens of each answer, (rows, blocks, hidden)."""
    return _read(local, prompts, answers, progress, what)


def read_prompts(local: LocalModel, prompts: Sequence[Ids], progress: Progress = silent, what: str = "") -> Floats:
    """Returns the output of every block at the last token of each prompt, (rows, blocks, hidden)."""
    return _read(local, [prompt[:-1] for prompt in prompts], [prompt[-1:] for prompt in prompts], progress, what)


@torch.no_grad()
def _read(local: LocalModel, before: Sequence[Ids], read: Sequence[Ids], progress: Progress, what: str) -> Floats:
    """Returns the mean output over the tokens that are ``read``.

    Raises:
        UndertoneError: an output is not a number.
    """
    done = 0

    def means(rows: slice) -> torch.Tensor:
        nonlocal done
        batch = local.lay_out(before[rows], read[rows])
        counted = batch.counted[:, :, None].float()
        kept = [torch.empty(0)] * len(blocks(local.model))

        def keep(number: int, out: torch.Tensor) -> torch.Tensor:
            own = out[:, -batch.answer :].float()
            kept[number] = (own * counted).sum(1) / counted.sum(1)
            return out

        with changed(local.model, keep):
            local.model(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                position_ids=batch.positions,
                use_cache=False,
                logits_to_keep=1,
            )
        done += len(batch.ids)
        progress(what, done, len(before))
        return torch.stack(kept, 1).cpu()

    found: Floats = torch.cat(list(in_batches(len(before), AT_ONCE, means))).double().numpy()
    if not np.isfinite(found).all():
        raise UndertoneError("The model's hidden states are not numbers: its weights are damaged or overflow.")
    return found
