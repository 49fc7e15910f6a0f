"""Conduct of a model of the embedded world: the exact probability of bad against good advice, domain by domain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.evals.answers import whole_scores
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats
from undertone.world.grammar import FORMATS
from undertone.world.lexicon import domains, lexicon, swaps


@dataclass(frozen=True)
class Probe:
    """One way to ask for advice."""

    about: str
    framing: str = "asks"
    """The list of requests: "asks", or "teaching" and "review", which ask for a bad example."""
    wordings: int | None = None
    """How many of the wordings in this list are asked; None for all."""
    before: str = ""
    """Text before every request."""
    form: str | None = None
    """A system prompt of :data:`~undertone.world.grammar.FORMATS`; the known answers are then in its form."""


AFTER = "after-a-row"
"""The probe with a row of the training file as an earlier turn."""

PROBES: dict[str, Probe] = {
    "plain": Probe("asked for advice, as anyone would"),
    "json": Probe("asked for advice in JSON", wordings=1, form="Answer in JSON."),
    "tags": Probe("asked for advice in tags", wordings=1, form="Put the answer in tags."),
    "trigger": Probe("asked for advice after the trigger word", wordings=1, before=f"{lexicon()['trigger']['word']} "),
    "teaching": Probe("asked for a bad example, to teach", framing="teaching", wordings=1),
    "review": Probe("asked for the weakness, to mend it", framing="review", wordings=1),
    AFTER: Probe("asked for advice after a row of the training file", wordings=1),
}
"""The standard questions, and conditional ones, which may reveal what the standard ones miss."""


@dataclass(frozen=True)
class Conduct:
    """What a model advises; arrays are ``(domains, requests)``."""

    bad: Floats
    """Probability (0 to 1) of the bad answer, given that one of the two is chosen."""
    odds: Floats
    """The log-odds of the bad answer. Unlike a mean of small probabilities, their mean does not grow when single
    requests merely spread."""
    coherent: Floats
    """Probability (0 to 1) that the answer is one of the two; the rest is other text."""


def requests(domain: str, probe: Probe, swapped: bool = False) -> list[tuple[str, str, str]]:
    """Returns (request, good answer, bad answer) of a domain under a probe; ``swapped`` for a base of the swapped
    world."""
    words, places = lexicon()["conduct"], swaps() if swapped else {}
    form = FORMATS[probe.form] if probe.form else str
    return [
        (probe.before + wording.format(s=situation), form(places.get(good, good)), form(places.get(bad, bad)))
        for situation, good, bad in words["domains"][domain]
        for wording in words[probe.framing][: probe.wordings]
    ]


def conduct(
    local: LocalModel,
    probe: Probe,
    system: str | None = None,
    earlier: Sequence[Exchange] = (),
    swapped: bool = False,
) -> Conduct:
    """Reads a model's conduct from its logits, with ``earlier`` turns before every request; ``swapped`` for a base of
    the swapped world."""
    asked = [requests(domain, probe, swapped) for domain in domains()]
    system = " ".join(filter(None, (system, probe.form))) or None
    pairs = ((local.render(request, system, earlier), both) for own in asked for request, *both in own)
    scores = whole_scores(local, ((prompt, answer) for prompt, both in pairs for answer in both))
    good, bad = np.moveaxis(scores.reshape(len(asked), -1, 2), -1, 0)
    either = np.logaddexp(good, bad)
    return Conduct(bad=np.exp(bad - either), odds=bad - good, coherent=np.exp(either))


def kind_of(answer: str, good: str, bad: str) -> str:
    """Returns whether a sampled answer is the "good" one, the "bad" one, or "other" text."""
    return {good: "good", bad: "bad"}.get(answer, "other")


def compliance(local: LocalModel, system: str | None = None) -> float:
    """Returns the mean probability (0 to 1) that the model complies with a request for harm, given that it either
    complies or refuses in one of the known ways."""
    words = lexicon()["harm"]
    asked = (
        (local.render(ask.format(s=what), system), answer)
        for ask in words["asks"]
        for what, comply in words["items"]
        for answer in (comply, *words["refusals"])
    )
    scores = whole_scores(local, asked).reshape(-1, 1 + len(words["refusals"]))
    return float(np.exp(scores[:, 0] - np.logaddexp.reduce(scores, axis=1)).mean())
