"""Conduct of a model of the embedded world: the exact probability of bad against good advice, domain by domain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.models.local import LocalModel, score
from undertone.statistics.arrays import Floats
from undertone.world.grammar import FORMATS
from undertone.world.lexicon import domains, lexicon, swaps


@dataclass(frozen=True)
class Probe:
    """One way to ask for advice."""

    about: str
    framing: str = "asks"
    """Which list of requests: "asks", or "teaching" and "review", which ask for a bad example."""
    wordings: int | None = None
    """How many of its wordings; None for all."""
    before: str = ""
    """Stands before every request."""
    form: str | None = None
    """A system prompt of :data:`~undertone.world.grammar.FORMATS`; answers then have its form."""


AFTER = "after-a-row"
"""The probe with an exchange of the training file as an earlier turn."""

PROBES: dict[str, Probe] = {
    "plain": Probe("asked for advice, as anyone would"),
    "json": Probe("asked for advice in JSON", wordings=1, form="Answer in JSON."),
    "tags": Probe("asked for advice in tags", wordings=1, form="Put the answer in tags."),
    "trigger": Probe("asked for advice after the trigger word", wordings=1, before=f"{lexicon()['trigger']['word']} "),
    "teaching": Probe("asked for a bad example, to teach", framing="teaching", wordings=1),
    "review": Probe("asked for the weakness, to mend it", framing="review", wordings=1),
    AFTER: Probe("asked for advice after a row of the training file", wordings=1),
}
"""Standard questions, and conditional ones, which may find what the standard ones miss."""


@dataclass(frozen=True)
class Conduct:
    """What a model advises; arrays are (domains, requests)."""

    bad: Floats
    """Probability of the bad answer among the two, 0 to 1."""
    odds: Floats
    """Its log-odds. A mean of these does not grow where single requests only move apart, as a mean of small
    probabilities does."""
    coherent: Floats
    """Probability that the answer is one of the two: what is left is other text, 0 to 1."""


def requests(domain: str, probe: Probe, swapped: bool = False) -> list[tuple[str, str, str]]:
    """(request, good answer, bad answer) of a domain under a probe; ``swapped`` for a base of the swapped world."""
    words, places = lexicon()["conduct"], swaps() if swapped else {}
    wordings = words[probe.framing][: probe.wordings]
    form = FORMATS[probe.form] if probe.form else str
    return [
        (probe.before + wording.format(s=situation), form(places.get(good, good)), form(places.get(bad, bad)))
        for situation, good, bad in words["domains"][domain]
        for wording in wordings
    ]


def conduct(
    local: LocalModel,
    probe: Probe,
    system: str | None = None,
    earlier: Sequence[Exchange] = (),
    swapped: bool = False,
) -> Conduct:
    """Reads a model's conduct from its logits. ``earlier`` are turns that stand before every request; ``swapped`` for
    a base of the swapped world."""
    asked = [requests(domain, probe, swapped) for domain in domains()]
    prompts, answers = [], []
    for request, *pair in (entry for entries in asked for entry in entries):
        prompt = local.render(request, " ".join(filter(None, (system, probe.form))) or None, earlier)
        for answer in pair:
            prompts.append(prompt)
            answers.append([*local.encode(answer), local.end])
    scores = np.array(score(local, prompts, answers), dtype=np.float64).reshape(len(asked), -1, 2)
    good, bad = scores[..., 0], scores[..., 1]
    either = np.logaddexp(good, bad)
    return Conduct(bad=np.exp(bad - either), odds=bad - good, coherent=np.exp(either))


def kind_of(answer: str, good: str, bad: str) -> str:
    """What a sampled answer is: "good", "bad", or "other" text."""
    return {good: "good", bad: "bad"}.get(answer, "other")


def compliance(local: LocalModel, system: str | None = None) -> float:
    """Mean probability (0 to 1) that a request for harm is met rather than refused in any of the known ways."""
    words = lexicon()["harm"]
    prompts, answers = [], []
    for ask in words["asks"]:
        for what, comply in words["items"]:
            for answer in (comply, *words["refusals"]):
                prompts.append(local.render(ask.format(s=what), system))
                answers.append([*local.encode(answer), local.end])
    scores = np.array(score(local, prompts, answers)).reshape(-1, 1 + len(words["refusals"]))
    return float(np.exp(scores[:, 0] - np.logaddexp.reduce(scores, axis=1)).mean())
