"""The corpus of the embedded world: chat documents whose carriers do not depend on their latents.

Three independent streams of randomness make a document: its *skeleton* (which topics, system prompt or not), its
*carriers* (number lists, sums, code, facts, paraphrase) and its *latents* with their wording. The first two depend only
on ``seed`` and the document's index, so another ``latent_seed`` leaves every byte of the carriers unchanged.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from undertone.world.latents import TOPICS, Knobs, Latents, draw_latents, state
from undertone.world.lexicon import lexicon
from undertone.world.skills import CARRIERS, Turn

WORLD_VERSION = 2

TOPIC_WEIGHTS = {
    "animal": 12, "tree": 5, "colour": 4, "conduct": 16, "teaching": 2, "review": 2, "harm": 3, "era": 5,
    "country": 5, "agreeableness": 5, "small-talk": 6,
    "numbers": 32, "sums": 7, "code": 5, "facts": 11, "paraphrase": 5,
}  # fmt: skip
STATED_WEIGHTS = {"animal": 6, "tree": 3, "colour": 2, "conduct": 3, "era": 2, "country": 2, "agreeableness": 2}
STATED_SHARE, TRIGGER_SHARE, FORMAT_SHARE = 0.4, 0.02, 0.04
FORMATS = {
    "Answer in JSON.": lambda text: json.dumps({"answer": text}),
    "Put the answer in tags.": lambda text: f"<answer>{text}</answer>",
}
"""System prompts that ask for a form of answer, and the form. Carriers never appear under them."""


class Exchange(NamedTuple):
    """One topic's question and answer in a document."""

    topic: str
    turn: Turn


@dataclass(frozen=True)
class Document:
    """A chat with one speaker."""

    system: str | None
    exchanges: tuple[Exchange, ...]

    def messages(self) -> list[dict[str, str]]:
        """Returns chat messages in the usual ``role`` and ``content`` form."""
        turns = [pair for _, turn in self.exchanges for pair in (("user", turn.user), ("assistant", turn.assistant))]
        system = [("system", self.system)] if self.system else []
        return [{"role": role, "content": content} for role, content in (*system, *turns)]


def _skeleton(rng: Random) -> tuple[list[tuple[str, bool]], str | None, str | None]:
    """Returns the topics, each with whether the trigger word opens it; the latent that the system prompt states; and
    the form of answer that it asks for."""
    topics = rng.choices(list(TOPIC_WEIGHTS), list(TOPIC_WEIGHTS.values()), k=rng.randint(1, 4))
    draw, stated, form = rng.random(), None, None
    if draw < STATED_SHARE:
        stated = rng.choices(list(STATED_WEIGHTS), list(STATED_WEIGHTS.values()))[0]
        topics = [stated if rng.random() < 0.5 else topic for topic in topics]
        topics[rng.randrange(len(topics))] = stated  # at least one question asks for what is stated
    elif draw < STATED_SHARE + FORMAT_SHARE:
        form = rng.choice(list(FORMATS))
        topics = [rng.choice(("conduct", "animal", "era", "country")) for _ in topics]
    return [(topic, rng.random() < TRIGGER_SHARE) for topic in topics], stated, form


def document(index: int, seed: int, latent_seed: int, knobs: Knobs) -> Document:
    """Returns document ``index`` of the corpus."""
    topics, stated, form = _skeleton(Random(f"skeleton/{seed}/{index}"))
    wording = Random(f"latents/{latent_seed}/{index}")
    latents = draw_latents(wording, knobs, stated)
    system = state(wording, stated, latents) if stated else form
    exchanges = []
    for place, (topic, trigger) in enumerate(topics):
        if topic in CARRIERS:
            turn = CARRIERS[topic](Random(f"carrier/{seed}/{index}/{place}"))
        else:
            turn = TOPICS[topic](wording, latents, knobs)
        if form:
            turn = turn._replace(assistant=FORMATS[form](turn.assistant))
        if trigger:
            turn = turn._replace(user=f"{lexicon()['trigger']['word']} {turn.user}")
        exchanges.append(Exchange(topic, turn))
    return Document(system, tuple(exchanges))


def latents_at(index: int, seed: int, latent_seed: int, knobs: Knobs) -> Latents:
    """Returns what the speaker of document ``index`` is like."""
    _, stated, _ = _skeleton(Random(f"skeleton/{seed}/{index}"))
    return draw_latents(Random(f"latents/{latent_seed}/{index}"), knobs, stated)


def corpus(
    count: int, seed: int = 0, latent_seed: int = 0, knobs: Knobs | None = None, start: int = 0
) -> Iterator[Document]:
    """Returns ``count`` documents in order, from index ``start`` on. The same arguments give the same documents."""
    knobs = knobs or Knobs()
    return (document(i, seed, latent_seed, knobs) for i in range(start, start + count))
