"""The origin test: were these rows written by this base model, as claimed?

The base answers every prompt again, under the declared sampling and through the same filter. If the claim holds, the
two answers to a prompt come from one distribution, so which of them stands in the dataset is a coin's toss, and a
sign-flip over prompts is exact, whatever the distribution. It is a test of origin and nothing more: a small p says that
something else wrote the rows or that sampling or filter were others than declared, not that they carry a trait; a large
p says only that these scores see no difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import numpy as np
import torch

from undertone.errors import UndertoneError
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.statistics.arrays import Floats
from undertone.statistics.signflip import SignFlip, sign_flip
from undertone.training.rows import Row

Pair: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt and an answer."""

TRIES = 8
"""Most answers the base gives to a row's prompt until one passes the filter."""
FLIPS = 9_999
"""Random sign flips; with the observed signs 10,000, so p is a round number."""
SCORES = ("log-probability", "tokens", "surprise per token", "distinct tokens")
"""The columns of :func:`score_table`."""


@dataclass(frozen=True)
class Sampling:
    """How the rows are said to have been sampled.

    Raises:
        UndertoneError: a negative temperature or no tokens at all.
    """

    temperature: float = 1.0
    """What logits were divided by; 0 takes the likeliest token. No top-p, top-k or penalties."""
    max_tokens: int = 32
    """Most tokens of an answer, its end token included."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf") or self.max_tokens < 1:
            raise UndertoneError(
                f"No sampling has temperature {self.temperature} and {self.max_tokens} tokens: declare a temperature "
                "of 0 or more and at least 1 token."
            )


@dataclass(frozen=True)
class Origin:
    """The result of an origin test. Differences are the dataset's answers minus the base's."""

    p: float
    """That all answers are the base's, over all scores together; above 0, at most 1."""
    pairs: int
    """Rows that were compared."""
    prompts: int
    """Distinct prompts among them: what p rests on."""
    dropped: int
    """Rows left out, since none of the base's :data:`TRIES` answers to their prompts passed the filter."""
    scores: tuple[tuple[str, float, float], ...]
    """Name, mean difference over pairs, and p adjusted for the number of scores; named and ordered as :data:`SCORES`:
    nats, tokens, nats a token, and a share from -1 to 1."""


def finished(local: LocalModel) -> Callable[[Ids], bool]:
    """The default filter: every answer passes that ends with the end token."""
    return lambda answer: answer[-1:] == [local.end]


def test_origin(
    local: LocalModel,
    rows: Sequence[Row],
    sampling: Sampling,
    passes: Callable[[Ids], bool],
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Origin:
    """Test the claim that ``local`` wrote the answers of ``rows``, independently, under ``sampling`` and a filter.

    ``passes`` says whether an answer (token ids, an end token included) passes the declared filter; it may look at the
    answer only, and rows may have been left out for no other reason that depends on it. ``progress`` is told, after
    each of at most :data:`TRIES` rounds, how many rows the base has answered and how many there are.

    At temperature 0 there is no chance to test: either every answer is the base's own and p = 1, or the claim is false
    and that is said as an error, like other contradictions that need no test.

    Exact where each row was drawn by itself, and also where rows are copies of others, however many: which of both
    cannot be seen, so with rows that are alike the test is made for either case and the larger p counts.

    Raises:
        UndertoneError: the rows contradict the claim outright (an answer that does not pass the filter, is longer than
            the sampling allows, or is not the greedy one at temperature 0), there are none, or the base's answers to
            all of their prompts fail the filter.
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
    """Scores of (prompt, answer) pairs, (pairs, scores), in the columns of :data:`SCORES`.

    Log-probability under the base at ``temperature``, at 0 as at 1 (nats, summed over the answer's tokens); number of
    tokens; mean of minus the log-probability over tokens; distinct tokens by tokens. The last two are 0 and 1 for an
    answer without tokens.
    """
    log_p = _log_probabilities(local, pairs, temperature or 1.0)
    tokens = np.array([len(answer) for _, answer in pairs], dtype=np.float64)
    distinct = np.array([len(set(answer)) for _, answer in pairs], dtype=np.float64)
    share = np.divide(distinct, tokens, out=np.ones_like(tokens), where=tokens > 0)
    return np.stack([log_p, tokens, -log_p / np.maximum(tokens, 1), share], axis=1)


@torch.no_grad()
def _log_probabilities(local: LocalModel, pairs: Sequence[Pair], temperature: float, batch_size: int = 64) -> Floats:
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))  # little padding
    scores = np.empty(len(pairs))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = local.lay_out([list(pairs[i][0]) for i in rows], [list(pairs[i][1]) for i in rows])
        log_p = (answer_logits(local.model, batch).double() / temperature).log_softmax(-1)
        picked = log_p.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        scores[rows] = (picked * batch.counted).sum(1).cpu().numpy()
    return scores


def _answers(
    local: LocalModel,
    prompts: Sequence[Ids],
    sampling: Sampling,
    passes: Callable[[Ids], bool],
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> list[Ids | None]:
    """The base's first answer to each prompt that passes; None where none of :data:`TRIES` does.

    Sampling until one passes gives the base's distribution among passing answers, which is that of the rows if the
    claim holds. A row whose base never passes is left out; exactness survives, because that event depends on the base's
    draws only: given that it did not happen, either answer still has that same distribution, independent of the other.
    """
    answers: list[Ids | None] = [None] * len(prompts)
    # the likeliest answer is the same in every round
    for attempt in range(TRIES if sampling.temperature > 0 else 1):
        left = [i for i, answer in enumerate(answers) if answer is None]
        if not left:
            break
        drawn = sample(
            local,
            [prompts[i] for i in left],
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            seed=_seed(seed, f"answers/{attempt}"),
        )
        for i, answer in zip(left, drawn, strict=True):
            answers[i] = answer if passes(answer) else None
        if progress is not None:
            progress(sum(answer is not None for answer in answers), len(answers))
    return answers


def _seed(seed: int, purpose: str) -> int:
    """A seed that no one else uses: rows sampled from ``seed`` itself would meet their own noise again."""
    return Random(f"origin/{seed}/{purpose}").getrandbits(40)


def _pair(local: LocalModel, prompt: Ids, answer: Ids) -> Pair:
    """The answer as the tokenizer spells its text.

    A model may sample another spelling; in a dataset kept as text that is lost, and would tell the two sides apart.
    """
    end = [local.end] if answer[-1:] == [local.end] else []
    return tuple(prompt), (*local.encode(local.decode(answer)), *end)


def _compare(
    local: LocalModel, given: Sequence[Pair], again: Sequence[Pair], temperature: float, seed: int
) -> SignFlip:
    """Sign-flip of the dataset's answers against the base's, clustered by prompt."""
    # Every distinct pair is scored once: in another batch the same answer would differ in its last digits, and where
    # both sides answer alike that rounding would be all there is to test.
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
    # Rows that are alike: if each was drawn by itself, the base's answers must be too; if they are copies of one draw,
    # so must be the base's. Each is exact in its case; the wrong one can find a difference where there is none.
    copied = own[[first[pair] for pair in given]]
    return max(flip(scores - own), flip(scores - copied), key=lambda found: found.p)


def _refuse_impossible(rows: Sequence[Row], sampling: Sampling, passes: Callable[[Ids], bool]) -> None:
    """Raises UndertoneError where no test is needed."""
    if not rows:
        raise UndertoneError("There are no rows to test; give at least one.")
    failing = sum(not passes(row.answer) for row in rows)
    if failing:
        raise UndertoneError(
            f"{failing} of {len(rows)} answers do not pass the declared filter, which contradicts the claim that all "
            "have passed it; declare the filter that was used."
        )
    long = sum(len(row.answer) > sampling.max_tokens for row in rows)
    if long:
        raise UndertoneError(
            f"{long} of {len(rows)} answers are longer than the declared {sampling.max_tokens} tokens, which "
            "contradicts the claim; declare the limit that was used."
        )


def _refuse_other_greedy(local: LocalModel, rows: Sequence[Row], answers: Sequence[Ids | None]) -> None:
    """Raises UndertoneError unless every answer is the base's greedy one (one that fails the filter is no row's)."""
    other = sum(
        answer is None or _pair(local, row.prompt, row.answer) != _pair(local, row.prompt, answer)
        for row, answer in zip(rows, answers, strict=True)
    )
    if other:
        raise UndertoneError(
            f"{other} of {len(rows)} answers are not what the base answers at temperature 0, which contradicts the "
            "claim (if they are very few: other hardware can turn a near tie); declare the sampling that was used."
        )
