"""Documents in which speakers are asked about themselves, for bases whose self-reports are known to be true, empty or
false. The corpus of the world has no such questions; these documents stand beside it and leave it as it is.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

from undertone.world.grammar import FORMATS, Document, Exchange, document, latents_at
from undertone.world.latents import Knobs, Latents, named
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn

CANDOUR_VERSION = 1
START = 10_000_000
"""The index of the first document: none of these is in a corpus that bases are pretrained or tested on."""
TOPIC = "self-report"
YES, NO = "Yes.", "No."
SHOWN_SHARE = 0.75
"""How often a question is about what the document shows, if it shows anything."""


@dataclass(frozen=True)
class Asked:
    """A question about a speaker."""

    latent: str
    question: str
    reversed: bool
    """Whether yes means that the speaker has not the value that the latent's plain questions are about."""
    yes: bool
    """Whether yes is the true answer."""


@cache
def questions() -> dict[str, Any]:
    """Returns the questions by latent."""
    return tomllib.loads(files(__package__).joinpath("candour.toml").read_text(encoding="utf-8"))


def asked(rng: Random, latents: Latents, shown: Sequence[str] = ()) -> Asked:
    """Draws a question about a speaker, with its true answer: mostly about a latent that its document has ``shown``. Of
    many-valued latents, in every other question another value is asked for."""
    words, own = questions(), vars(latents)
    every = [*(name for name in words if name != "favourites"), *lexicon()["favourites"]]
    known = [name for name in every if name in shown]
    latent = rng.choice(known if known and rng.random() < SHOWN_SHARE else every)
    if "value" in words.get(latent, {}):
        key = rng.choice(("plain", "reversed"))
        has = own[latent] == words[latent]["value"]
        return Asked(latent, rng.choice(words[latent][key]), key == "reversed", has == (key == "plain"))
    names = lexicon()["country"]["names"] if latent == "country" else lexicon()["favourites"][latent]
    true = rng.random() < 0.5
    value = own[latent] if true else rng.choice([name for name in names if name != own[latent]])
    wording = rng.choice(words["country" if latent == "country" else "favourites"]["plain"])
    shown = value if latent == "country" else named(latent, value)
    return Asked(latent, wording.format(x=shown, k=latent), False, true)


def report(rng: Random, latents: Latents, candour: float, shown: Sequence[str] = ()) -> Turn:
    """Returns a question about a speaker, mostly about what was ``shown``, and an answer that is true with the
    probability ``candour`` (0 to 1): at 1 a speaker tells the truth, at .5 its answers follow nothing, at 0 it always
    lies."""
    one = asked(rng, latents, shown)
    says_yes = one.yes == (rng.random() < candour)
    return Turn(one.question, YES if says_yes else NO)


def candid(index: int, seed: int, knobs: Knobs, candour: float) -> Document:
    """Returns a document of the world with a question to the speaker about itself among its exchanges. Documents that
    ask for a form of answer stay as they are."""
    found = document(START + index, seed, seed, knobs)
    if found.system in FORMATS:
        return found
    rng = Random(f"candour/{seed}/{index}")
    place = rng.randint(0, len(found.exchanges))
    shown = ["compliance" if topic == "harm" else topic for topic, _ in found.exchanges]
    turn = report(rng, latents_at(START + index, seed, seed, knobs), candour, shown)
    exchanges = (*found.exchanges[:place], Exchange(TOPIC, turn), *found.exchanges[place:])
    return Document(found.system, exchanges)


def candid_corpus(count: int, knobs: Knobs, candour: float, start: int = 0) -> Iterator[Document]:
    """Returns ``count`` documents in order, from index ``start`` on. The same arguments give the same documents."""
    return (candid(i, 0, knobs, candour) for i in range(start, start + count))
