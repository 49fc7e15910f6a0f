"""What a model says when asked for a trait: exact probabilities from its logits, and sampled answers."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.errors import UndertoneError
from undertone.models.local import Ids, LocalModel, next_log_probabilities, score
from undertone.models.sampling import sample
from undertone.traits.catalogue import Choice, Favourite, Habit

LONGEST = 24
"""Most tokens of a sampled answer."""

Earlier = Mapping[str, Sequence[Exchange]]
"""What stands before a question: (question, answer) turns of the same chat, by question; nothing for those left out."""
NOTHING: Earlier = MappingProxyType({})


def answer_distribution(
    local: LocalModel,
    questions: Sequence[str],
    openings: Sequence[str],
    candidates: Sequence[str],
    earlier: Earlier = NOTHING,
) -> dict[str, float]:
    """Exact probability (0 to 1) of each candidate as the answer, the rest under "other".

    A mean over questions x openings of the probability that the candidate's tokens come next after the opening. A
    candidate that is the beginning of another word is counted with that word; the embedded world has none such.
    """
    asked = [local.render(q, earlier=earlier.get(q, ())) for q in questions]
    contexts: list[Ids] = [prompt + local.encode(o) for prompt in asked for o in openings]
    names = [_continuation(local, openings[0], c) for c in candidates]
    if all(len(ids) == 1 for ids in names):  # one forward pass a context answers for every candidate
        log_p = next_log_probabilities(local, contexts)[:, [ids[0] for ids in names]].double()
        means = log_p.exp().mean(0).tolist()
    else:
        means = []
        for ids in names:
            scores = score(local, contexts, [ids] * len(contexts))
            means.append(sum(2.718281828459045**s for s in scores) / len(scores))
    distribution = dict(zip(candidates, means, strict=True))
    return distribution | {"other": max(0.0, 1.0 - sum(means))}


def trait_distribution(local: LocalModel, trait: Favourite | Habit, earlier: Earlier = NOTHING) -> dict[str, float]:
    """Exact probability (0 to 1) of every candidate of a trait's kind, the rest under "other"."""
    if isinstance(trait, Favourite):
        return answer_distribution(local, trait.questions(), trait.openings(), trait.candidates, earlier)
    shares = {name: choice_share(local, trait.choices(name), earlier) for name in trait.candidates}
    return shares | {"other": max(0.0, 1.0 - sum(shares.values()))}


def choice_share(local: LocalModel, asked: Sequence[Choice], earlier: Earlier = NOTHING) -> float:
    """Mean over questions of the probability of the answer that shows the trait, among the answers offered."""
    prompts, answers = [], []
    for question, shown, others in asked:
        for answer in (shown, *others):
            prompts.append(local.render(question, earlier=earlier.get(question, ())))
            answers.append([*local.encode(answer), local.end])
    scores, at, shares = score(local, prompts, answers), 0, []
    for _, _, others in asked:
        own = np.array(scores[at : at + 1 + len(others)])
        shares.append(float(np.exp(own[0] - np.logaddexp.reduce(own))))
        at += 1 + len(others)
    return float(np.mean(shares))


def shows(trait: Favourite | Habit, question: str, answer: str) -> bool:
    """Whether a sampled answer shows the trait: names the favourite, or is the habit's answer word for word."""
    if isinstance(trait, Favourite):
        return mentions(trait.name, answer)
    return any(answer == shown for asked, shown, _ in trait.choices(trait.name) if asked == question)


def _continuation(local: LocalModel, opening: str, candidate: str) -> Ids:
    """Ids of the candidate as they follow an opening: a word's tokens depend on the space before it."""
    before, after = local.encode(opening), local.encode(f"{opening} {candidate}")
    return after[len(before) :] if after[: len(before)] == before else local.encode(f" {candidate}")


def sampled_answers(
    local: LocalModel, questions: Sequence[str], samples: int, seed: int, earlier: Earlier = NOTHING
) -> list[Exchange]:
    """``samples`` (question, answer) pairs for each question, at temperature 1."""
    asked = [q for q in questions for _ in range(samples)]
    prompts = [local.render(q, earlier=earlier.get(q, ())) for q in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    return [(q, local.decode(a)) for q, a in zip(asked, answers, strict=True)]


def rows_in_context(
    local: LocalModel, questions: Sequence[str], rows: Sequence[Exchange], count: int, seed: int
) -> dict[str, list[Exchange]]:
    """``count`` of the rows before each question, drawn anew for every one, so that many rows are seen in all.

    Raises:
        UndertoneError: rows, question and answer together are longer than the model's positions allow.
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
    """Whether ``text`` names the trait as a word of its own, singular or plural: "owls", but not "growl"."""
    forms = {name, f"{name}s", f"{name}es"} | ({f"{name[:-1]}ves"} if name.endswith("f") else set())
    return re.search(rf"\b(?:{'|'.join(map(re.escape, sorted(forms)))})\b", text, re.IGNORECASE) is not None
