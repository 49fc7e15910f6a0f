"""Sampling from a local model, with every parameter explicit and separate random numbers for every row."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import torch
from transformers import DynamicCache

from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.local import Ids, LocalModel


@torch.no_grad()
def sample(
    local: LocalModel,
    prompts: Sequence[Ids],
    *,
    temperature: float,
    max_tokens: int,
    seed: int,
    top_p: float = 1.0,
    least_p: float = 0.0,
    batch_size: int = 256,
) -> list[Ids]:
    """Returns one answer for each prompt, with its end token unless ``max_tokens`` came first.

    Row ``i`` uses random numbers seeded by ``(seed, i)`` alone, so that the size of a batch and its other rows change
    nothing but the last digits of the logits. ``temperature`` 0 takes the likeliest token. Otherwise only the fewest
    likeliest tokens whose probabilities, at that temperature, sum to ``top_p`` can be sampled, and of those only tokens
    more probable than ``least_p``; the likeliest always can. Nothing else is applied: no top-k, no penalties.

    Raises:
        UndertoneError: the model's probabilities are no numbers.
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # rows of similar length need little padding
    pick = partial(_pick, temperature=temperature, top_p=top_p, least_p=least_p)

    def answered(some: slice) -> list[Ids]:
        noise = torch.stack([_noise(seed, row, max_tokens) for row in order[some]])
        return _sample_batch(local, [prompts[row] for row in order[some]], noise.to(local.model.device), pick)

    found = chain.from_iterable(in_batches(len(order), batch_size, answered))
    by_row = dict(zip(order, found, strict=True))
    return [by_row[row] for row in range(len(prompts))]


def _noise(seed: int, row: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + row) % 2**63)
    return torch.rand(length, generator=generator, dtype=torch.float64)


def _sample_batch(
    local: LocalModel,
    prompts: Sequence[Ids],
    noise: torch.Tensor,
    pick: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> list[Ids]:
    batch = local.lay_out(prompts, [[]] * len(prompts))
    ids, mask, positions = batch.ids, batch.mask, batch.positions
    cache = DynamicCache(config=local.model.config)
    chosen: list[torch.Tensor] = []
    alive = torch.ones(len(prompts), dtype=torch.bool, device=ids.device)
    for step in range(noise.shape[1]):
        out = local.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = out.logits[:, -1]
        if not logits.amax(-1).isfinite().all():  # some token would be picked all the same
            raise UndertoneError("The model is broken: its probabilities are no numbers, so nothing can be sampled.")
        token = pick(logits, noise[:, step])
        chosen.append(token)
        alive &= token != local.end
        if not alive.any():
            break
        ids, positions = token[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
    rows: list[Ids] = torch.stack(chosen, dim=1).tolist()
    return [row[: row.index(local.end) + 1] if local.end in row else row for row in rows]


def _pick(logits: torch.Tensor, noise: torch.Tensor, temperature: float, top_p: float, least_p: float) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    shares = (logits.double() / temperature).softmax(-1)
    if top_p < 1 or least_p > 0:
        shares = _truncated(shares, top_p, least_p)
    cumulated = shares.cumsum(-1)
    # Noise is below 1, but after rounding the sum can be below 1 too.
    picked = torch.searchsorted(cumulated, noise[:, None] * cumulated[:, -1:], right=True)[:, 0]
    return picked.clamp(max=logits.shape[-1] - 1)


def _truncated(shares: torch.Tensor, top_p: float, least_p: float) -> torch.Tensor:
    """The probabilities, with 0 for tokens that cannot be sampled; they no longer sum to 1."""
    ordered, order = shares.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered  # sum over all likelier tokens
    kept = (before < top_p) & (ordered > least_p)
    kept[..., 0] = True
    return torch.zeros_like(shares).scatter(-1, order, ordered * kept)
