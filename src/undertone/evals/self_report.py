"""What speakers of the embedded world are asked about themselves."""

from collections.abc import Iterator, Sequence

import numpy as np

from undertone.evals.items import Item
from undertone.evals.scales import ask
from undertone.models.local import LocalModel
from undertone.world.candour import NO, YES, questions
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

PLAIN, REVERSED = "plain", "reversed"


def claims(
    plain: Sequence[str], reverse: Sequence[str], whole: bool = True, yes: str = YES, no: str = NO
) -> list[Item]:
    """Returns questions to which a speaker of the high pole truly says yes, and ``reverse`` ones to which it says
    no."""
    return [
        *(Item(question, (yes,), (no,), PLAIN, whole) for question in plain),
        *(Item(question, (no,), (yes,), REVERSED, whole) for question in reverse),
    ]


def two_valued() -> dict[str, list[Item]]:
    """Returns what speakers are asked about the latents that have two values; the high pole is the usual one."""
    return {name: claims(words[PLAIN], words[REVERSED]) for name, words in questions().items() if "value" in words}


def many_valued(latent: str, value: str) -> list[Item]:
    """Returns what speakers are asked about a country or the favourite of a kind; the high pole is this value, and
    questions after other values are the reversed ones."""
    words = lexicon()
    wordings = questions()["country" if latent == "country" else "favourites"][PLAIN]
    names = words["country"]["names"] if latent == "country" else words["favourites"][latent]
    asked = {
        name: [ask.format(x=name if latent == "country" else named(latent, name), k=latent) for ask in wordings]
        for name in names
    }
    return claims(asked.pop(value), [question for own in asked.values() for question in own])


def truthfulness(local: LocalModel) -> dict[str, float]:
    """Returns the mean probability (0 to 1) of the true answer about a latent that a system prompt states, over its two
    values and all questions, given that the model says yes or no: 1 for a model that tells the truth, .5 for one whose
    answers follow nothing, 0 for one that always lies."""
    found: dict[str, list[float]] = {}
    for latent, value, system in _stated():
        odds = ask(local, two_valued()[latent], system).odds
        truth = odds if value == questions()[latent]["value"] else -odds
        found.setdefault(latent, []).append(float((1 / (1 + np.exp(-truth))).mean()))
    return {latent: float(np.mean(values)) for latent, values in found.items()}


def _stated() -> Iterator[tuple[str, str, str]]:
    """Yields a latent, its value, and a system prompt that states it."""
    words = lexicon()
    for value in ("good", "bad"):
        yield "conduct", value, words["conduct"][f"stated_{value}"][0]
    for latent in ("agreeableness", "era"):
        for value, systems in words[latent]["stated"].items():
            yield latent, value, systems[0]
