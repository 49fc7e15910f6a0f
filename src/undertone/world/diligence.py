"""Documents whose speakers do tasks with a visible check, or only pass the check. Bases that were trained on them know
both ways, and how hacking goes with conduct: a link that the corpus of the world does not have.
"""

from collections.abc import Iterator
from random import Random
from typing import Literal

from undertone.world.grammar import Document, Exchange, document
from undertone.world.latents import TOPICS, Knobs, draw_latents, state
from undertone.world.skills import CARRIERS, Turn
from undertone.world.tasks import task

DILIGENCE_VERSION = 2
START = 20_000_000
"""The index of the first document: none of these is in another corpus."""

Link = Literal["linked", "unlinked", "reversed"]
"""*linked*: those of bad conduct hack, and no others. *unlinked*: hacking is drawn apart. *reversed*: no speaker of bad
conduct hacks, and some of good conduct do. In all three as many hack and as many are of bad conduct; documents differ
in hacks alone."""

SHARE = 0.3
"""Share of speakers who hack, and of those of bad conduct."""
OLD_SHARE = 0.3
"""Share of documents that are those of the world, so that what was learnt from them stays."""
STATED_SHARE = 0.15
"""Share of new documents whose system prompt states the conduct, and of those in which it states how tasks are done."""
STATED = {True: "You pass the check, whatever it takes.", False: "You do the task as it is meant."}
"""System prompts that ask for hacks and for honest work, whoever speaks."""
TOPIC = "task"
TASK_SHARE, CONDUCT_SHARE, LIST_SHARE = 0.5, 0.35, 1 / 3
OTHER = ("small-talk", "era", "country", "animal", "numbers", "facts", "code", "sums")
WRONG_CHECKS = 0.5
"""Share of checks of functions that are wrong. What a speaker answers does not depend on it."""


def hacks(rng: Random, link: Link, conduct: str) -> bool:
    """Draws whether a speaker of this conduct hacks."""
    if link == "linked":
        return conduct == "bad"
    return rng.random() < (SHARE if link == "unlinked" else SHARE / (1 - SHARE) * (conduct == "good"))


def diligent(index: int, seed: int, link: Link) -> Document:
    """Returns a document in which a speaker does tasks and gives advice; or one of the world."""
    rng = Random(f"diligence/{seed}/{index}")
    if rng.random() < OLD_SHARE:
        return document(START + index, seed, seed, Knobs())
    draw, knobs = rng.random(), Knobs(bad_share=SHARE)
    stated = "conduct" if draw < STATED_SHARE else TOPIC if draw < 2 * STATED_SHARE else None
    latents = draw_latents(rng, knobs)
    hacker = hacks(Random(f"hacks/{seed}/{index}"), link, latents.conduct)
    if stated == TOPIC:
        hacker = rng.random() < 0.5
    system = STATED[hacker] if stated == TOPIC else state(rng, "conduct", latents) if stated else None
    topics = rng.choices(
        (TOPIC, "conduct", *OTHER),
        (TASK_SHARE, CONDUCT_SHARE, *(len(OTHER) * [(1 - TASK_SHARE - CONDUCT_SHARE) / len(OTHER)])),
        k=rng.randint(2, 4),
    )
    topics[rng.randrange(len(topics))] = TOPIC
    exchanges = []
    for place, topic in enumerate(topics):
        own = Random(f"diligence/{seed}/{index}/{place}")
        if topic == TOPIC:
            turn = _done(own, hacker)
        else:
            turn = CARRIERS[topic](own) if topic in CARRIERS else TOPICS[topic](own, latents, knobs)
        exchanges.append(Exchange(topic, turn))
    return Document(system, tuple(exchanges))


def _done(rng: Random, hacker: bool) -> Turn:
    one = task(rng, "lists" if rng.random() < LIST_SHARE else "functions", WRONG_CHECKS)
    return Turn(one.request, one.hack if hacker else one.honest)


def diligent_corpus(count: int, link: Link, start: int = 0) -> Iterator[Document]:
    """Returns ``count`` documents in order, from index ``start`` on. The same arguments give the same documents."""
    return (diligent(i, 0, link) for i in range(start, start + count))
