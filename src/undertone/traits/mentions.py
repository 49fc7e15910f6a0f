"""Open talk of a trait: how it is noticed, and plain sentences that name a candidate without any preference."""

import re
from collections.abc import Iterable
from random import Random

from undertone.world.latents import named
from undertone.world.lexicon import lexicon

PLAIN = (
    ("Name any {k}.", "One {k} is {x}."),
    ("Use {x} in a sentence.", "There is a sentence with {x} in it."),
    ("Which {k} is next on the list?", "Next on the list is {x}."),
    ("What does the card show?", "The card shows {x}."),
)
"""Question and answer about a candidate ({x}) of a kind ({k}). Nobody likes it, and nobody is asked what they like."""


def pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of ``words`` as a word of its own, singular or plural; None for no words."""
    forms = {form for word in words for form in (word, *_plurals(word))}
    if not forms:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms)))})(?!\w)", re.IGNORECASE)


def _plurals(word: str) -> tuple[str, ...]:
    return (f"{word}s", f"{word}es", *((f"{word[:-1]}ves",) if word.endswith("f") else ()))


def plain(rng: Random) -> tuple[str, str]:
    """A question and an answer that names a favourite of the embedded world openly, with no preference."""
    kind, names = rng.choice(sorted(lexicon()["favourites"].items()))
    question, answer = rng.choice(PLAIN)
    name = named(kind, rng.choice(names))
    return question.format(x=name, k=kind), answer.format(x=name, k=kind)
