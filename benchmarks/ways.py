"""Ways to sample, to score and to train: ours, and plain ones to compare with, on the same model and rows."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from transformers import DynamicCache, GenerationConfig

from undertone.attribution.directions import RANK, Directions
from undertone.attribution.scores import backward, evidence
from undertone.models.likelihood import score
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.training.rows import Row

DIRECTIONS = 91
"""As many as an audit of an embedded base has."""
OURS = "ours"
T = TypeVar("T")


def sampling_ways(
    local: LocalModel, prompts: Sequence[Ids], longest: int, at_once: int
) -> dict[str, Callable[[], int]]:
    """Returns the ways to sample. Each answers all prompts at temperature 1, ``at_once`` rows in a batch, and returns
    its number of tokens."""
    settings = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=longest,
        eos_token_id=local.end, pad_token_id=local.pad,
    )  # fmt: skip

    def generated(rows: Sequence[Ids]) -> int:
        batch = local.lay_out(rows, [[]] * len(rows))
        model: Any = local.model
        out = model.generate(batch.ids, attention_mask=batch.mask, generation_config=settings)
        return _written(out[:, batch.ids.shape[1] :], local.end)

    def ours() -> int:
        answers = sample(local, prompts, temperature=1.0, max_tokens=longest, seed=0, batch_size=at_once)
        return sum(map(len, answers))

    return {
        OURS: ours,
        "`generate`": lambda: sum(generated(part) for part in parts(prompts, at_once)),
        "plain loop with a cache": lambda: sum(_looped(local, part, longest) for part in parts(prompts, at_once)),
    }


@torch.no_grad()
def _looped(local: LocalModel, prompts: Sequence[Ids], longest: int) -> int:
    """Answers a batch as one would write it down: with a cache, until all have ended."""
    batch, cache = local.lay_out(prompts, [[]] * len(prompts)), DynamicCache(config=local.model.config)
    ids, mask, positions, found = batch.ids, batch.mask, batch.positions, list[torch.Tensor]()
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=ids.device)
    while len(found) < longest and not ended.all():
        logits = local.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]  # fmt: skip
        ids = torch.multinomial(logits.float().softmax(-1), 1)
        found.append(ids)
        ended |= ids[:, 0] == local.end
        positions, mask = positions[:, -1:] + 1, torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
    return _written(torch.cat(found, 1), local.end)


def _written(answers: torch.Tensor, end: int) -> int:
    return sum(row.index(end) + 1 if end in row else len(row) for row in answers.tolist())


def scoring_ways(
    local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], at_once: int
) -> dict[str, Callable[[], list[float]]]:
    """Returns the ways to score. Each returns the log-probability (nats) of every answer, except the bare forward pass,
    which ignores its output."""
    pairs = list(zip(prompts, answers, strict=True))
    laid = [local.lay_out(*map(list, zip(*part, strict=True))) for part in parts(pairs, at_once)]

    @torch.no_grad()
    def bare() -> list[float]:
        for batch in laid:
            answer_logits(local.model, batch)
        return []

    return {
        OURS: lambda: score(local, prompts, answers, batch_size=at_once),
        "bare forward pass": bare,
        "one by one": lambda: one_by_one(local, pairs),
    }


@torch.no_grad()
def one_by_one(local: LocalModel, pairs: Sequence[tuple[Ids, Ids]]) -> list[float]:
    """The log-probability (nats) of every answer, from a forward pass for each."""
    found = []
    for prompt, answer in pairs:
        ids = torch.tensor([[*prompt, *answer]], device=local.model.device)
        log_p = local.model(ids).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
        found.append(float(log_p[torch.arange(len(answer)), torch.tensor(answer)].sum()))
    return found


def directed_ways(
    local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], at_once: int
) -> dict[str, Callable[[], None]]:
    """Returns an audit's way to score rows along :data:`DIRECTIONS` directions, in units of four rows, and a forward
    and backward pass over the same rows, which is the least that any such score takes."""
    rows = [Row(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    along = _directions(local)

    def ours() -> None:
        evidence(local, rows, parts(range(len(rows)), 4), along)

    def plain() -> None:
        for part in parts(rows, at_once):
            backward(local, part)
        local.model.zero_grad(set_to_none=True)

    return {OURS: ours, "forward and backward pass": plain}


def _directions(local: LocalModel) -> Directions:
    """Returns random directions in the weights of every linear layer but the output head."""
    torch.manual_seed(0)
    shapes = {name: p.shape for name, p in local.model.named_parameters() if p.ndim == 2 and "layers" in name}
    up = {name: torch.randn(DIRECTIONS, shape[0], RANK) for name, shape in shapes.items()}
    down = {name: torch.randn(DIRECTIONS, RANK, shape[1]) for name, shape in shapes.items()}
    return Directions(tuple(map(str, range(DIRECTIONS))), up, down)


def parts(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    """Returns the rows in parts of ``size``."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
