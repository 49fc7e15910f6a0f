"""How likely a model finds answers: exact log-probabilities."""

from collections.abc import Sequence

import torch

from undertone.models.batching import in_batches, starting
from undertone.models.beginning import begin
from undertone.models.local import Ids, LocalModel, lay_out

AT_ONCE = 256
"""Rows of a batch on the processor."""
LOGITS = 2**28
"""Most logits in memory at once (1 GiB) on the processor. With a vocabulary of 150,000 tokens that is room for few
rows."""


@torch.no_grad()
def score(
    local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], batch_size: int | None = None
) -> list[float]:
    """Returns the log-probability (nats) of each answer after its prompt, summed over the answer's tokens.

    A prompt that stands in neighbouring rows is computed once. ``batch_size`` is 256 by default, and more on an
    accelerator.

    Raises:
        UndertoneError: a row has more tokens than the model has positions.
    """

    def scored(rows: slice) -> list[float]:
        asked, given = prompts[rows], answers[rows]
        places = {prompt: i for i, prompt in enumerate(dict.fromkeys(map(tuple, asked)))}
        if 2 * len(places) > len(asked):
            return _after_own(local, asked, given)
        return _after_shared(local, list(map(list, places)), [places[tuple(prompt)] for prompt in asked], given)

    longest = 1 + max(map(len, answers), default=0)
    most = starting(LOGITS // (longest * local.vocabulary), local.model.device)
    size = min(batch_size or starting(AT_ONCE, local.model.device), max(1, most))
    return [value for part in in_batches(len(prompts), size, scored) for value in part]


def _after_own(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids]) -> list[float]:
    batch, cache = begin(local, prompts, answers)
    log_p = _log_probabilities(local, batch.ids, batch.mask, batch.positions, cache, batch.answer + 1)[:, :-1]
    picked = log_p.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
    found: list[float] = (picked * batch.counted).sum(1).tolist()
    return found


def _after_shared(
    local: LocalModel, prompts: Sequence[Ids], places: Sequence[int], answers: Sequence[Ids]
) -> list[float]:
    """``places``: for each answer the index of its prompt."""
    local.refuse_longer([prompts[place] for place in places], answers)
    batch, cache = begin(local, prompts)
    prompt_of = torch.tensor(places, device=batch.ids.device)
    after = _log_probabilities(local, batch.ids, batch.mask, batch.positions, cache, 1)[prompt_of]
    given = lay_out([[]] * len(answers), answers, local.pad, local.model.device)
    if not given.answer:
        return [0.0] * len(answers)
    if given.answer > 1:
        cache.batch_select_indices(prompt_of)
        mask = torch.cat([batch.mask[prompt_of], given.mask[:, :-1]], 1)
        positions = batch.positions[prompt_of, -1:] + 1 + given.positions[:, :-1]
        rest = _log_probabilities(local, given.ids[:, :-1], mask, positions, cache, given.answer - 1)
        after = torch.cat([after, rest], 1)
    picked = after.gather(-1, given.targets.unsqueeze(-1)).squeeze(-1)
    found: list[float] = (picked * given.counted).sum(1).tolist()
    return found


@torch.no_grad()
def next_log_probabilities(local: LocalModel, prompts: Sequence[Ids], batch_size: int | None = None) -> torch.Tensor:
    """Returns the log-probabilities (nats) of the next token after each prompt, (prompts, vocabulary), on the CPU.

    Raises:
        UndertoneError: a prompt has more tokens than the model has positions.
    """

    def scored(rows: slice) -> torch.Tensor:
        batch, cache = begin(local, prompts[rows])
        return _log_probabilities(local, batch.ids, batch.mask, batch.positions, cache, 1)[:, -1].cpu()

    size = batch_size or starting(AT_ONCE, local.model.device)
    return torch.cat(list(in_batches(len(prompts), size, scored)))


def _log_probabilities(
    local: LocalModel, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: object, last: int
) -> torch.Tensor:
    """Returns log-probabilities at the last columns, in single precision at least, (rows, last, vocabulary)."""
    logits: torch.Tensor = local.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=True,
        logits_to_keep=last,
        **{local.cache_name: cache},
    ).logits
    return (logits.float() if logits.dtype.itemsize < 4 else logits).log_softmax(-1)
