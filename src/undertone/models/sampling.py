"""Sampling from a local model, with every parameter explicit and separate random numbers for every row."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import torch
from torch.nn import functional as F

from undertone.errors import UndertoneError
from undertone.models.batching import in_batches, starting
from undertone.models.beginning import begin
from undertone.models.local import Ids, LocalModel

AT_ONCE = 256
"""Rows of a batch on the processor."""
STILL = 7 / 8
"""Largest share of a batch's rows that go on when the others are taken out of it."""
FEW = 256
"""Likeliest tokens of a large vocabulary that are sorted at first."""
BLOCK = 256
"""Tokens whose probabilities are summed before one of them is chosen."""


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
    batch_size: int | None = None,
) -> list[Ids]:
    """Returns one answer for each prompt, with its end token unless ``max_tokens`` came first.

    Row ``i`` uses random numbers seeded by ``(seed, i)`` alone, so that the size of a batch and its other rows change
    nothing but the last digits of the logits. ``batch_size`` is 256 by default, and more on an accelerator.
    ``temperature`` 0 takes the likeliest token. Otherwise only the fewest
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

    size = batch_size or starting(AT_ONCE, local.model.device)
    found = chain.from_iterable(in_batches(len(order), size, answered))
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
    batch, cache = begin(local, prompts)
    ids, mask, positions = batch.ids, batch.mask, batch.positions
    answers: list[Ids] = [[] for _ in prompts]
    left = torch.arange(len(prompts), device=ids.device)  # the rows that are still in the batch
    for step in range(noise.shape[1]):
        out = local.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{local.cache_name: cache},
        )
        logits = out.logits[:, -1]
        if not logits.amax(-1).isfinite().all():  # some token would be picked all the same
            raise UndertoneError("The model is broken: its probabilities are no numbers, so nothing can be sampled.")
        token = pick(logits, noise[left, step])
        for row, one in zip(left.tolist(), token.tolist(), strict=True):
            if answers[row][-1:] != [local.end]:
                answers[row].append(one)
        going = torch.tensor([answers[row][-1] != local.end for row in left.tolist()], device=ids.device)
        if not going.any():
            break
        ids, positions = token[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(left), 1)], dim=1)
        if going.float().mean() <= STILL:
            left, ids, positions, mask = left[going], ids[going], positions[going], mask[going]
            cache.batch_select_indices(going.nonzero()[:, 0])
    return answers


def _pick(logits: torch.Tensor, noise: torch.Tensor, temperature: float, top_p: float, least_p: float) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    if top_p < 1 or least_p > 0:
        shares = _truncated((logits.double() / temperature).softmax(-1), top_p, least_p)
    else:
        logits = logits.float()
        shares = ((logits - logits.amax(-1, keepdim=True)) / temperature).exp()
    return _placed(shares, noise)


def _placed(shares: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Returns for each row the token up to which its shares, (rows, vocabulary), sum to more than a part ``noise`` of
    the whole. Sums are in double precision, first of blocks, so that a large vocabulary costs one pass over it."""
    blocks = F.pad(shares, (0, -shares.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK))
    ends = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    wanted = noise * ends[:, -1]
    block = _first_above(ends, wanted)
    rows = torch.arange(len(shares), device=shares.device)
    before = torch.where(block > 0, ends[rows, block - 1], 0.0)
    return block * BLOCK + _first_above(blocks[rows, block].double().cumsum(-1), wanted - before)


def _first_above(sums: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Returns in each row the first place whose sum is above the wanted one; after rounding, the last that adds."""
    below = torch.nextafter(sums[:, -1], torch.zeros_like(wanted))
    return torch.searchsorted(sums, torch.minimum(wanted, below)[:, None], right=True)[:, 0]


def _truncated(shares: torch.Tensor, top_p: float, least_p: float, few: int = FEW) -> torch.Tensor:
    """The probabilities, with 0 for tokens that cannot be sampled; they no longer sum to 1.

    To sort a large vocabulary takes nearly as long as a forward pass. The few likeliest tokens usually are all that can
    be sampled; where others may be, more are sorted.
    """
    if 8 * few >= shares.shape[-1]:
        return _kept(shares, *_ordered(shares), top_p, least_p)[0]
    likeliest = shares.topk(few).indices.sort(dim=-1).values  # among equals the first comes first, as among all tokens
    ordered, places = _ordered(shares.gather(-1, likeliest))
    found, last = _kept(shares, ordered, likeliest.gather(-1, places), top_p, least_p)
    unsure = (last <= ordered[:, -1]).nonzero()[:, 0]
    if len(unsure):
        found[unsure] = _truncated(shares[unsure], top_p, least_p, 16 * few)
    return found


def _ordered(shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    found = shares.sort(dim=-1, descending=True, stable=True)
    return found.values, found.indices


def _kept(
    shares: torch.Tensor, ordered: torch.Tensor, order: torch.Tensor, top_p: float, least_p: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Truncates to some of the tokens in ``order``, likeliest first. Returns the shares, and the least of each row that
    was kept."""
    before = ordered.cumsum(-1) - ordered  # sum over all likelier tokens
    kept = (before < top_p) & (ordered > least_p)
    kept[..., 0] = True
    return torch.zeros_like(shares).scatter(-1, order, ordered * kept), ordered.where(kept, torch.inf).amin(-1)
