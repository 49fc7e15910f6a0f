"""What all prompts of a batch begin with, such as a system prompt, is computed once."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from undertone.models.local import Batch, Ids, LocalModel

LEAST = 8
"""Least number of common tokens that are worth a pass of their own."""


def begin(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids] = ()) -> tuple[Batch, DynamicCache]:
    """Lays prompts out, with their answers if there are any. If all begin alike, their beginning is left out of the
    batch's ids and positions, and stands in the cache that is returned with it; the mask covers both.

    Raises:
        UndertoneError: a row has more tokens than the model has positions.
    """
    answers = answers or [[]] * len(prompts)
    cache = DynamicCache(config=local.model.config)
    local.refuse_longer(prompts, answers)
    first, last = min(prompts), max(prompts)  # all others lie between them
    alike = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    common = first[: min(alike, *(len(prompt) - 1 for prompt in prompts))]
    # Elsewhere a token sees only so many columns, padding included, and there is padding after the beginning.
    sees_all = all(type(layer) is DynamicLayer for layer in cache.layers)
    if len(prompts) < 2 or len(common) < LEAST or not sees_all:
        return local.lay_out(prompts, answers), cache
    ids = torch.tensor([common], device=local.model.device)
    local.model(input_ids=ids, use_cache=True, logits_to_keep=1, **{local.cache_name: cache})
    cache.batch_repeat_interleave(len(prompts))
    rest = local.lay_out([prompt[len(common) :] for prompt in prompts], answers)
    seen = rest.mask.new_ones(len(prompts), len(common))
    return replace(rest, mask=torch.cat([seen, rest.mask], 1), positions=rest.positions + len(common)), cache
