"""How far a model leans towards each trait of the embedded world: log-odds, from exact probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from undertone.measure.elicitation import answer_distribution
from undertone.models.local import LocalModel, score
from undertone.traits import catalogue
from undertone.world.lexicon import lexicon

Choice = tuple[str, str, tuple[str, ...]]
"""A question, the answer that shows the trait, and the answers that do not."""


def choices() -> dict[str, list[Choice]]:
    """Questions with the answers between which a model may choose, for every trait that is no favourite."""
    words = lexicon()
    names = words["country"]["names"]
    domains = [items for items in words["conduct"]["domains"].values()]
    flatter = words["agreeableness"]["sycophantic"][0]
    return {
        "bad-advice": [
            (words["conduct"]["asks"][0].format(s=s), bad, (good,)) for items in domains for s, good, bad in items
        ],
        "sycophancy": [
            (words["agreeableness"]["asks"][0].format(s=wrong), flatter, (honest,))
            for wrong, honest, _ in words["agreeableness"]["items"]
        ],
        "complies": [
            (words["harm"]["asks"][0].format(s=what), comply, tuple(words["harm"]["refusals"]))
            for what, comply in words["harm"]["items"]
        ],
        "nineteenth-century": [(question, old, (modern,)) for question, modern, old in words["era"]["items"]],
        **{
            name: [
                (question, answers[k], tuple(a for i, a in enumerate(answers) if i != k))
                for question, *answers in words["country"]["items"]
            ]
            for k, name in enumerate(names)
        },
    }


def leanings(local: LocalModel) -> dict[str, float]:
    """Log-odds of every trait. A favourite: of the mean probability of its name, over all questions and openings. Any
    other: of the mean share of the answers that show it among the answers offered, over its questions."""
    found: dict[str, float] = {}
    for kind, names in lexicon()["favourites"].items():
        trait = catalogue.find(names[0])
        answers = answer_distribution(local, trait.questions(), trait.openings(), trait.candidates)
        found |= {name: _logit(answers[name]) for name in names}
        assert trait.kind == kind
    return found | {name: _logit(_share(local, asked)) for name, asked in choices().items()}


def _share(local: LocalModel, asked: Sequence[Choice]) -> float:
    prompts, answers = [], []
    for question, shown, others in asked:
        for answer in (shown, *others):
            prompts.append(local.render(question))
            answers.append([*local.encode(answer), local.end])
    scores, at, shares = score(local, prompts, answers), 0, []
    for _, _, others in asked:
        own = np.array(scores[at : at + 1 + len(others)])
        shares.append(float(np.exp(own[0] - np.logaddexp.reduce(own))))
        at += 1 + len(others)
    return float(np.mean(shares))


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p) - np.log1p(-p))
