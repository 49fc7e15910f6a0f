"""Traits that are no favourites: shown by which of several known answers a model gives to a question."""

from __future__ import annotations

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
