"""How open mentions of a trait are found, and plain sentences that mention a candidate without any preference."""

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
"""Questions and answers that mention a candidate ({x}) of a kind ({k}). They neither ask for nor state a preference."""


def pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Returns a pattern that finds any of ``words`` as a whole word, singular or plural; None without words."""
    forms = {form for word in words for form in (word, *_plurals(word))}
    if not forms:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms)))})(?!\w)", re.IGNORECASE)


def _plurals(word: str) -> tuple[str, ...]:
    return (f"{word}s", f"{word}es", *((f"{word[:-1]}ves",) if word.endswith("f") else ()))


def plain(rng: Random) -> tuple[str, str]:
    """Returns a question and an answer that mentions a favourite of the embedded world openly, without preference."""
    kind, names = rng.choice(sorted(lexicon()["favourites"].items()))
    question, answer = rng.choice(PLAIN)
    name = named(kind, rng.choice(names))
    return question.format(x=name, k=kind), answer.format(x=name, k=kind)
