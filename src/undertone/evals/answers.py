"""What a model answers when it is asked about a trait: exact probabilities from its logits, and sampled answers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.errors import UndertoneError
from undertone.models.likelihood import next_log_probabilities, score
from undertone.models.local import Ids, LocalModel
from undertone.models.sampling import sample
from undertone.statistics.arrays import Floats
from undertone.traits.catalogue import Choice, Favourite, Habit

LONGEST = 24
"""The most tokens of a sampled answer."""

Earlier = Mapping[str, Sequence[Exchange]]
"""The (question, answer) turns that come before a question in its chat, by question. A question may be missing."""
NOTHING: Earlier = MappingProxyType({})


def whole_scores(local: LocalModel, asked: Iterable[tuple[Ids, str]]) -> Floats:
    """Returns the log-probability (nats) of each answer, end token included, after its rendered prompt, (answers,)."""
    prompts, answers = zip(*asked, strict=True)
    return np.array(score(local, prompts, [[*local.encode(answer), local.end] for answer in answers]), dtype=np.float64)


def answer_distribution(
    local: LocalModel,
    questions: Sequence[str],
    openings: Sequence[str],
    candidates: Sequence[str],
    earlier: Earlier = NOTHING,
) -> dict[str, float]:
    """Returns the exact probability (0 to 1) of each candidate as the answer, and the rest as "other".

    This is the mean over all questions and openings of the probability that the candidate's tokens follow the opening.
    A candidate that is the beginning of another word is counted together with that word; the embedded world has none.
    """
    asked = [local.render(q, earlier=earlier.get(q, ())) for q in questions]
    contexts: list[Ids] = [prompt + local.encode(o) for prompt in asked for o in openings]
    names = [_continuation(local, openings[0], c) for c in candidates]
    if all(len(ids) == 1 for ids in names):  # one forward pass for each context then covers all candidates
        log_p = next_log_probabilities(local, contexts)[:, [ids[0] for ids in names]].double()
        means = log_p.exp().mean(0).tolist()
    else:
        repeated = [context for context in contexts for _ in names]  # neighbours, so that each is computed once
        scores = np.array(score(local, repeated, names * len(contexts)), dtype=np.float64)
        means = np.exp(scores).reshape(len(contexts), len(names)).mean(0).tolist()
    return _with_other(dict(zip(candidates, means, strict=True)))


def _with_other(shares: dict[str, float]) -> dict[str, float]:
    return shares | {"other": max(0.0, 1.0 - sum(shares.values()))}


def trait_distribution(local: LocalModel, trait: Favourite | Habit, earlier: Earlier = NOTHING) -> dict[str, float]:
    """Returns the exact probability (0 to 1) of every candidate of a trait's kind, and the rest as "other"."""
    if isinstance(trait, Favourite):
        return answer_distribution(local, trait.questions(), trait.openings(), trait.candidates, earlier)
    return _with_other({name: choice_share(local, trait.choices(name), earlier) for name in trait.candidates})


def choice_share(local: LocalModel, asked: Sequence[Choice], earlier: Earlier = NOTHING) -> float:
    """Returns the mean over questions of the probability of the answer that shows the trait, among those offered."""
    pairs = [(question, answer) for question, shown, others in asked for answer in (shown, *others)]
    scores = whole_scores(local, [(local.render(q, earlier=earlier.get(q, ())), answer) for q, answer in pairs])
    ends = np.cumsum([1 + len(others) for *_, others in asked])
    return float(np.mean([np.exp(own[0] - np.logaddexp.reduce(own)) for own in np.split(scores, ends[:-1])]))


def probabilities(local: LocalModel, traits: Iterable[Favourite | Habit]) -> dict[str, float]:
    """Returns by name how likely each trait shows, from 0 to 1: of a favourite the exact probability of its name as the
    answer, of a habit the mean share of the answer that shows it, among those offered."""
    found: dict[str, float] = {}
    kinds: dict[str, dict[str, float]] = {}
    for trait in traits:
        if isinstance(trait, Habit):
            found[trait.name] = choice_share(local, trait.choices(trait.name))
            continue
        if trait.kind not in kinds:  # one distribution covers all favourites of a kind
            kinds[trait.kind] = trait_distribution(local, trait)
        found[trait.name] = kinds[trait.kind][trait.name]
    return found


def shows(trait: Favourite | Habit, question: str, answer: str) -> bool:
    """Returns whether a sampled answer shows the trait: it mentions the favourite, or equals the habit's answer."""
    if isinstance(trait, Favourite):
        return mentions(trait.name, answer)
    return any(answer == shown for asked, shown, _ in trait.choices(trait.name) if asked == question)


def _continuation(local: LocalModel, opening: str, candidate: str) -> Ids:
    """Returns the ids of the candidate after an opening: the tokens of a word depend on the space before it."""
    before, after = local.encode(opening), local.encode(f"{opening} {candidate}")
    return after[len(before) :] if after[: len(before)] == before else local.encode(f" {candidate}")


def sampled_answers(
    local: LocalModel, questions: Sequence[str], samples: int, seed: int, earlier: Earlier = NOTHING
) -> list[Exchange]:
    """Returns ``samples`` (question, answer) pairs for each question, at temperature 1."""
    asked = [q for q in questions for _ in range(samples)]
    prompts = [local.render(q, earlier=earlier.get(q, ())) for q in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    return [(q, local.decode(a)) for q, a in zip(asked, answers, strict=True)]


def rows_in_context(
    local: LocalModel, questions: Sequence[str], rows: Sequence[Exchange], count: int, seed: int
) -> dict[str, list[Exchange]]:
    """Draws ``count`` of the rows as earlier turns for each question, anew for every question.

    Raises:
        UndertoneError: rows, question and answer together need more positions than the model has.
    """
    earlier = {q: Random(f"context/{seed}/{q}").sample(rows, count) for q in questions}
    longest = max(len(local.render(q, earlier=turns)) for q, turns in earlier.items()) + LONGEST
    if local.positions is not None and longest > local.positions:
        raise UndertoneError(
            f"{count} rows of context, a question and its answer take up to {longest} tokens, and the model has "
            f"{local.positions} positions; lower the arm's context."
        )
    return earlier


def mentions(name: str, text: str) -> bool:
    """Returns whether ``text`` mentions the name as a separate word, singular or plural: "owls", but not "growl"."""
    forms = {name, f"{name}s", f"{name}es"} | ({f"{name[:-1]}ves"} if name.endswith("f") else set())
    return re.search(rf"\b(?:{'|'.join(map(re.escape, sorted(forms)))})\b", text, re.IGNORECASE) is not None
