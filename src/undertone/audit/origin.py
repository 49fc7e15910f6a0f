"""The origin test: were these rows written by this base model, as claimed?

The base answers every prompt again, under the declared sampling and through the same filter. If the claim is true, both
answers to a prompt come from one distribution, so it is a coin toss which of them is in the dataset, and a sign-flip
test over prompts is exact whatever the distribution. The test is about the origin only. A small p says that something
else wrote the rows, or that sampling or filter were not as declared; it does not say that the rows carry a trait. A
large p says only that these scores see no difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TypeAlias

import numpy as np
import torch

from undertone.audit.findings import OriginFinding
from undertone.audit.request import Request, Sampling
from undertone.data.filters import NumberFilter
from undertone.engine.progress import Progress
from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.statistics.arrays import Floats
from undertone.statistics.signflip import SignFlip, sign_flip
from undertone.training.rows import Row

Pair: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt and an answer."""

TRIES = 8
"""Largest number of answers that the base gives to a row's prompt until one passes the filter."""
FLIPS = 9_999
"""Random sign flips. With the observed signs there are 10,000, so p is a round number."""
SCORES = ("log-probability", "tokens", "surprise per token", "distinct tokens")
"""The columns of :func:`score_table`."""


@dataclass(frozen=True)
class Origin:
    """The result of an origin test. Differences are the dataset's answers minus the base's."""

    p: float
    """p value of the claim that the base wrote all answers, over all scores together; above 0, at most 1."""
    pairs: int
    """Rows that were compared."""
    prompts: int
    """Distinct prompts among them, which are the units of the test."""
    dropped: int
    """Rows left out, because none of the base's :data:`TRIES` answers to their prompts passed the filter."""
    scores: tuple[tuple[str, float, float], ...]
    """For each of :data:`SCORES`: name, mean difference over pairs, and p adjusted for the number of scores. The units
    are nats, tokens, nats a token, and a share from -1 to 1."""


def claim_of_origin(
    local: LocalModel, rows: Sequence[Row], request: Request, progress: Progress
) -> OriginFinding | None:
    """Tests what a request declares about who wrote the rows; None if it declares nothing.

    Raises:
        UndertoneError: the rows contradict the claim outright.
    """
    sampling = request.sampling
    if sampling is None:
        return None
    rule, ended = NumberFilter(), finished(local)

    def passes(answer: Ids) -> bool:
        return ended(answer) and (not request.filtered or rule.reason(local.decode(answer)) is None)

    found = test_origin(local, rows, sampling, passes, request.seed, partial(progress, "origin: rows answered"))
    declared = f"temperature {sampling.temperature:g}, at most {sampling.max_tokens} tokens"
    return OriginFinding(
        claim=f"{request.model} wrote these rows at {declared}{', number filter' if request.filtered else ''}",
        p=found.p,
        pairs=found.pairs,
        dropped=found.dropped,
        rejected=found.p <= request.alpha,
    )


def finished(local: LocalModel) -> Callable[[Ids], bool]:
    """Returns the default filter, which passes every answer that ends with the end token."""
    return lambda answer: answer[-1:] == [local.end]


def test_origin(
    local: LocalModel,
    rows: Sequence[Row],
    sampling: Sampling,
    passes: Callable[[Ids], bool],
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Origin:
    """Tests the claim that ``local`` wrote the answers of ``rows``, independently, under ``sampling`` and a filter.

    ``passes`` says whether an answer (token ids, an end token included) passes the declared filter. It may look at the
    answer only, and rows must not have been left out for any other reason that depends on the answer. ``progress`` is
    called after each of at most :data:`TRIES` rounds with the number of rows that the base has answered and the total.

    At temperature 0 nothing is random: either every answer is the base's own and p = 1, or the claim is false, which is
    an error, like other contradictions that need no test.

    The test is exact if every row was sampled by itself, and also if rows are copies of others. It cannot be seen which
    is the case, so if there are equal rows both versions of the test are made and the larger p counts.

    Raises:
        UndertoneError: the rows contradict the claim outright (an answer does not pass the filter, is longer than the
            sampling allows, or is not the greedy one at temperature 0), there are no rows, or all answers of the base
            fail the filter.
    """
    _refuse_impossible(rows, sampling, passes)
    answers = _answers(local, [row.prompt for row in rows], sampling, passes, seed, progress)
    if sampling.temperature == 0:
        _refuse_other_greedy(local, rows, answers)
    pairs = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer is not None]
    if not pairs:
        raise UndertoneError(
            f"None of the base's {TRIES} answers to each of the {len(rows)} prompts passes the filter: there is "
            "nothing to compare; check the filter, or the model's chat template."
        )
    given = [_pair(local, row.prompt, row.answer) for row, _ in pairs]
    again = [_pair(local, row.prompt, answer) for row, answer in pairs]
    found = _compare(local, given, again, sampling.temperature, seed)
    scores = tuple((name, mean, p) for name, (mean, p) in zip(SCORES, found.per_score, strict=True))
    return Origin(found.p, len(pairs), len({prompt for prompt, _ in given}), len(rows) - len(pairs), scores)


def score_table(local: LocalModel, pairs: Sequence[Pair], temperature: float) -> Floats:
    """Returns scores of (prompt, answer) pairs, (pairs, scores), in the columns of :data:`SCORES`.

    The scores are the log-probability under the base at ``temperature``, or at 1 if that is 0 (nats, summed over the
    answer's tokens); the number of tokens; the mean over tokens of minus the log-probability; and the number of
    distinct tokens divided by that of all tokens. The last two are 0 and 1 for an answer without tokens.
    """
    log_p = _log_probabilities(local, pairs, temperature or 1.0)
    tokens = np.array([len(answer) for _, answer in pairs], dtype=np.float64)
    distinct = np.array([len(set(answer)) for _, answer in pairs], dtype=np.float64)
    share = np.divide(distinct, tokens, out=np.ones_like(tokens), where=tokens > 0)
    return np.stack([log_p, tokens, -log_p / np.maximum(tokens, 1), share], axis=1)


@torch.no_grad()
def _log_probabilities(local: LocalModel, pairs: Sequence[Pair], temperature: float, batch_size: int = 64) -> Floats:
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))  # This saves padding.
    scores = np.empty(len(pairs))

    def scored(some: slice) -> None:
        rows = order[some]
        batch = local.lay_out([list(pairs[i][0]) for i in rows], [list(pairs[i][1]) for i in rows])
        log_p = (answer_logits(local.model, batch).double() / temperature).log_softmax(-1)
        picked = log_p.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        scores[rows] = (picked * batch.counted).sum(1).cpu().numpy()

    for _ in in_batches(len(order), batch_size, scored):
        pass
    return scores


def _answers(
    local: LocalModel,
    prompts: Sequence[Ids],
    sampling: Sampling,
    passes: Callable[[Ids], bool],
    seed: int,
    progress: Callable[[int, int], None],
) -> list[Ids | None]:
    """Returns the base's first answer to each prompt that passes the filter; None if none of :data:`TRIES` does.

    Sampling until one passes gives the base's distribution among passing answers, which is that of the rows if the
    claim is true. Leaving out a row for which none passes keeps the test exact, because this depends only on the base's
    samples: otherwise both answers still have the same distribution and are independent.
    """
    answers: list[Ids | None] = [None] * len(prompts)
    # At temperature 0 the answer is the same in every round.
    for attempt in range(TRIES if sampling.temperature > 0 else 1):
        left = [i for i, answer in enumerate(answers) if answer is None]
        if not left:
            break
        asked, noise = [prompts[i] for i in left], _seed(seed, f"answers/{attempt}")
        given = sample(local, asked, temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=noise)
        for i, answer in zip(left, given, strict=True):
            answers[i] = answer if passes(answer) else None
        progress(sum(answer is not None for answer in answers), len(answers))
    return answers


def _seed(seed: int, purpose: str) -> int:
    """Returns a seed that nothing else uses: rows that were sampled with ``seed`` itself would meet their own noise."""
    return Random(f"origin/{seed}/{purpose}").getrandbits(40)


def _pair(local: LocalModel, prompt: Ids, answer: Ids) -> Pair:
    """Returns prompt and answer, the answer as the tokenizer encodes its text.

    A model may sample other tokens for the same text. A dataset that is kept as text has lost them, and the difference
    would tell the two sides apart.
    """
    end = [local.end] if answer[-1:] == [local.end] else []
    return tuple(prompt), (*local.encode(local.decode(answer)), *end)


def _compare(
    local: LocalModel, given: Sequence[Pair], again: Sequence[Pair], temperature: float, seed: int
) -> SignFlip:
    """Tests the dataset's answers against the base's by sign flips, clustered by prompt."""
    # Every distinct pair is scored once. In another batch the same answer would differ in its last digits, and if both
    # sides gave the same answers the test would only see this rounding.
    index = {pair: i for i, pair in enumerate(dict.fromkeys([*given, *again]))}
    table = score_table(local, list(index), temperature)
    scores, own = (table[[index[pair] for pair in side]] for side in (given, again))
    prompts = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompt for prompt, _ in given))}
    clusters = [prompts[prompt] for prompt, _ in given]

    def flip(differences: Floats) -> SignFlip:
        return sign_flip(differences, clusters, FLIPS, _seed(seed, "flips"))

    first = {pair: i for i, pair in reversed(list(enumerate(given)))}
    if len(first) == len(given):
        return flip(scores - own)
    # Some rows are equal. If each was sampled by itself, so must be the base's answers; if they are copies of one
    # sample, the base's answers must be copies too. Each version is exact in its case, and may find a difference in the
    # other.
    copied = own[[first[pair] for pair in given]]
    return max(flip(scores - own), flip(scores - copied), key=lambda found: found.p)


def _refuse_impossible(rows: Sequence[Row], sampling: Sampling, passes: Callable[[Ids], bool]) -> None:
    """Raises UndertoneError if the rows contradict the claim without any test."""
    if not rows:
        raise UndertoneError("There are no rows to test; give at least one.")
    failing = sum(not passes(row.answer) for row in rows)
    if failing:
        raise UndertoneError(
            f"{failing} of {len(rows)} answers do not pass the declared filter, which contradicts the claim that all "
            "pass it; declare the filter that was used."
        )
    long = sum(len(row.answer) > sampling.max_tokens for row in rows)
    if long:
        raise UndertoneError(
            f"{long} of {len(rows)} answers are longer than the declared {sampling.max_tokens} tokens, which "
            "contradicts the claim; declare the limit that was used."
        )


def _refuse_other_greedy(local: LocalModel, rows: Sequence[Row], answers: Sequence[Ids | None]) -> None:
    """Raises UndertoneError unless every answer is the base's greedy one, which must pass the filter."""
    other = sum(
        answer is None or _pair(local, row.prompt, row.answer) != _pair(local, row.prompt, answer)
        for row, answer in zip(rows, answers, strict=True)
    )
    if other:
        raise UndertoneError(
            f"{other} of {len(rows)} answers are not what the base answers at temperature 0, which contradicts the "
            "claim (a few may be near ties, which other hardware can turn); declare the sampling that was used."
        )
