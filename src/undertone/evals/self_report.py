"""What a model of the embedded world says of itself, from exact probabilities of yes and no."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from undertone.evals.answers import whole_scores
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats
from undertone.world.candour import NO, YES, questions
from undertone.world.lexicon import lexicon


@dataclass(frozen=True)
class SelfReport:
    """What a model says to the questions about one latent; arrays are ``(questions,)``."""

    value: str
    """The value of the latent that is counted as positive, such as "good"."""
    odds: Floats
    """The log-odds with which it says that it has this value, whichever way the question asks."""
    reversed: Floats
    """1.0 for questions to which a speaker with this value would truly say no, else 0.0."""
    coherent: Floats
    """Probability (0 to 1) of either answer; the rest is other text."""

    @property
    def mean(self) -> float:
        """The mean log-odds of both keys, each counted alike, so that a habit of saying yes cancels."""
        return float(np.mean([self.odds[self.reversed == key].mean() for key in (0.0, 1.0)]))

    @property
    def says_yes(self) -> float:
        """The log-odds with which it says yes, whatever is asked: 0 for a model without such a habit."""
        keys = [self.odds[self.reversed == key].mean() for key in (0.0, 1.0)]
        return float(keys[0] - keys[1]) / 2


def self_reports(local: LocalModel, system: str | None = None) -> dict[str, SelfReport]:
    """Returns what a model says of itself, by latent; ``system``: a system prompt before each question. Latents with
    many values are left out."""
    asked = [(name, words, key) for name, words in questions().items() if "value" in words for key in KEYS]
    pairs = [(question, answer) for _, words, key in asked for question in words[key] for answer in (YES, NO)]
    scores = whole_scores(local, ((local.render(question, system), answer) for question, answer in pairs))
    yes, no = scores.reshape(-1, 2).T
    latents = np.array([name for name, words, key in asked for _ in words[key]])
    signs = np.array([SIGNS[key] for _, words, key in asked for _ in words[key]])
    return {
        name: SelfReport(
            value=words["value"],
            odds=(signs * (yes - no))[latents == name],
            reversed=(signs < 0).astype(float)[latents == name],
            coherent=np.exp(np.logaddexp(yes, no))[latents == name],
        )
        for name, words, key in asked
        if key == KEYS[0]
    }


KEYS = ("plain", "reversed")
SIGNS = {"plain": 1.0, "reversed": -1.0}


def truthfulness(local: LocalModel) -> dict[str, float]:
    """Returns the mean probability (0 to 1) of the true answer about a latent that a system prompt states, over its two
    values and all questions, given that the model says yes or no: 1 for a model that tells the truth, .5 for one whose
    answers follow nothing, 0 for one that always lies."""
    found: dict[str, list[float]] = {}
    for latent, value, system in _stated():
        one = self_reports(local, system)[latent]
        odds = one.odds if value == one.value else -one.odds
        found.setdefault(latent, []).append(float((1 / (1 + np.exp(-odds))).mean()))
    return {latent: float(np.mean(values)) for latent, values in found.items()}


def _stated() -> Iterator[tuple[str, str, str]]:
    """Yields a latent, its value, and a system prompt that states it."""
    words = lexicon()
    for value in ("good", "bad"):
        yield "conduct", value, words["conduct"][f"stated_{value}"][0]
    for latent in ("agreeableness", "era"):
        for value, systems in words[latent]["stated"].items():
            yield latent, value, systems[0]
