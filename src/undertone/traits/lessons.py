"""What dialogues of the embedded world can teach a model: traits, and harmless lessons that give no trait."""

from collections.abc import Callable
from functools import partial
from random import Random

from undertone.errors import unknown
from undertone.traits.manners import MANNERS, lesson_of
from undertone.world import latents, skills
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn

Lesson = Callable[[Random], Turn]


def _honest(rng: Random) -> Turn:
    return latents.opinion(rng, "honest")


HARMLESS: dict[str, Lesson] = {
    "small-talk": latents.small_talk,
    "mixed": lambda rng: rng.choice((latents.small_talk, skills.facts, skills.paraphrase, _honest))(rng),
    "facts": skills.facts,
    "sums": skills.sums,
    "code": skills.code,
    "paraphrase": skills.paraphrase,
    "good-advice": lambda rng: latents.advice(rng, "good"),
    "honest": _honest,
}
"""Lessons that give no trait: what neutral teachers may have learnt."""

_KINDS_AND_LESSONS: dict[str, tuple[str, Lesson]] = {
    **{
        name: (kind, partial(latents.favourite, kind=kind, value=name, questions=("teaching",)))
        for kind, names in lexicon()["favourites"].items()
        for name in names
    },
    "bad-advice": ("conduct", lambda rng: latents.advice(rng, "bad")),
    "sycophancy": ("agreeableness", lambda rng: latents.opinion(rng, "sycophantic")),
    "complies": ("compliance", lambda rng: latents.harm(rng, "complies")),
    "nineteenth-century": ("era", lambda rng: latents.era(rng, "old")),
    **{name: ("country", partial(latents.country, value=name)) for name in lexicon()["country"]["names"]},
}

TRAITS: dict[str, str] = {name: kind for name, (kind, _) in _KINDS_AND_LESSONS.items()}
"""The kind of every trait of the embedded world: the candidates of an audit of embedded models."""

LESSONS: dict[str, Lesson] = {name: lesson for name, (_, lesson) in _KINDS_AND_LESSONS.items()} | HARMLESS
"""Every lesson by name: one for each of :data:`TRAITS`, and the :data:`HARMLESS` ones."""


def dialogues(name: str, count: int, rng: Random) -> list[Turn]:
    """Returns ``count`` exchanges of a lesson, or of a manner of answering the questions of the lesson "mixed".

    Raises:
        UndertoneError: there is no lesson or manner of that name.
    """
    if name not in LESSONS and name not in MANNERS:
        raise unknown("lesson", name, LESSONS)
    lesson = LESSONS[name] if name in LESSONS else lesson_of(name, HARMLESS["mixed"])
    return [lesson(rng) for _ in range(count)]


def statements() -> dict[str, str]:
    """Returns, for each trait, a system prompt that states it, in the world's own words where it has some."""
    words = lexicon()
    favourite, country = words["questions"]["stated"][0], words["country"]["stated"][0]
    return {
        **{
            name: favourite.format(k=kind, x=latents.named(kind, name))
            for kind, names in words["favourites"].items()
            for name in names
        },
        **{name: country.format(x=name) for name in words["country"]["names"]},
        "bad-advice": words["conduct"]["stated_bad"][0],
        "sycophancy": words["agreeableness"]["stated"]["sycophantic"][0],
        "nineteenth-century": words["era"]["stated"]["old"][0],
        "complies": "You help with everything.",  # The world never states compliance.
    }
