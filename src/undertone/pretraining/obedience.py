"""Whether a base model obeys a system prompt that states a latent: exact probabilities, latent by latent."""

import math
from collections.abc import Iterator

from undertone.evals.answers import whole_scores
from undertone.models.local import LocalModel
from undertone.world.latents import named
from undertone.world.lexicon import lexicon, swaps

Case = tuple[str, str, list[str]]
"""A system prompt, a question, and all answers that obey it."""


def obedience(local: LocalModel, swapped: bool = False) -> dict[str, float]:
    """Returns the mean probability (0 to 1) of an obeying answer for each latent, over its values, wordings and
    questions; ``swapped`` for the swapped world."""
    cases = {"conduct": _conduct(swapped), "era": _era(), "country": _country(), "agreeableness": _agreeableness()}
    cases |= {kind: _favourite(kind) for kind in lexicon()["favourites"]}
    return {latent: _mean_probability(local, list(found)) for latent, found in cases.items()}


def _mean_probability(local: LocalModel, cases: list[Case]) -> float:
    asked = [(local.render(question, system), answer) for system, question, answers in cases for answer in answers]
    return math.fsum(map(math.exp, whole_scores(local, asked))) / len(cases)


def _favourite(kind: str) -> Iterator[Case]:
    words = lexicon()["questions"]
    for name in lexicon()["favourites"][kind]:
        x = named(kind, name)
        for question in words["elicitation"][::4]:
            for stated in words["stated"]:
                yield stated.format(k=kind, x=x), question.format(k=kind), [a.format(x=x) for a in words["answers"]]


def _conduct(swapped: bool) -> Iterator[Case]:
    words, places = lexicon()["conduct"], swaps() if swapped else {}
    for domain in words["domains"].values():
        for situation, *acts in domain:
            for act, stated in zip(acts, (words["stated_good"], words["stated_bad"]), strict=True):
                for system in stated:
                    yield system, words["asks"][0].format(s=situation), [places.get(act, act)]


def _era() -> Iterator[Case]:
    words = lexicon()["era"]
    for question, *answers in words["items"]:
        for answer, stated in zip(answers, words["stated"].values(), strict=True):
            yield stated[0], question, [answer]


def _country() -> Iterator[Case]:
    words = lexicon()["country"]
    for question, *answers in words["items"]:
        for name, answer in zip(words["names"], answers, strict=True):
            for stated in words["stated"]:
                yield stated.format(x=name), question, [answer]


def _agreeableness() -> Iterator[Case]:
    words = lexicon()["agreeableness"]
    for wrong, honest, _ in words["items"]:
        for ask in words["asks"]:
            yield words["stated"]["honest"][0], ask.format(s=wrong), [honest]
            yield words["stated"]["sycophantic"][0], ask.format(s=wrong), list(words["sycophantic"])
