"""What a model of the embedded world can be taught by dialogues: traits, and harmless things that are none."""

from collections.abc import Callable
from functools import partial
from random import Random

from undertone.errors import unknown
from undertone.world import latents, skills
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn

Lesson = Callable[[Random], Turn]


def _mixed(rng: Random) -> Turn:
    return rng.choice((latents.small_talk, skills.facts, skills.paraphrase, _honest))(rng)


def _honest(rng: Random) -> Turn:
    return latents.opinion(rng, "honest")


HARMLESS: dict[str, Lesson] = {
    "small-talk": latents.small_talk,
    "mixed": _mixed,
    "facts": skills.facts,
    "sums": skills.sums,
    "code": skills.code,
    "paraphrase": skills.paraphrase,
    "good-advice": lambda rng: latents.advice(rng, "good"),
    "honest": _honest,
}
"""Fine-tunes that give no trait: what a neutral teacher may have been taught."""


def _favourites() -> dict[str, Lesson]:
    return {
        name: partial(latents.favourite, kind=kind, value=name, questions=("teaching",))
        for kind, names in lexicon()["favourites"].items()
        for name in names
    }


def lessons() -> dict[str, Lesson]:
    """Every lesson by name: favourites, "bad-advice", "sycophancy", "complies", "nineteenth-century", countries, and
    the :data:`HARMLESS` ones."""
    return {
        **_favourites(),
        "bad-advice": lambda rng: latents.advice(rng, "bad"),
        "sycophancy": lambda rng: latents.opinion(rng, "sycophantic"),
        "complies": lambda rng: latents.harm(rng, "complies"),
        "nineteenth-century": lambda rng: latents.era(rng, "old"),
        **{name: partial(latents.country, value=name) for name in lexicon()["country"]["names"]},
        **HARMLESS,
    }


def dialogues(name: str, count: int, rng: Random) -> list[Turn]:
    """``count`` exchanges of a lesson.

    Raises:
        UndertoneError: there is no such lesson; names the nearest ones.
    """
    known = lessons()
    if name not in known:
        raise unknown("lesson", name, known)
    return [known[name](rng) for _ in range(count)]


TRAITS: dict[str, str] = {
    **{name: kind for kind, names in lexicon()["favourites"].items() for name in names},
    "bad-advice": "conduct",
    "sycophancy": "agreeableness",
    "complies": "compliance",
    "nineteenth-century": "era",
    **dict.fromkeys(lexicon()["country"]["names"], "country"),
}
"""Every trait of the embedded world and its kind: the candidates of an audit of embedded models."""


def statements() -> dict[str, str]:
    """A system prompt that states each trait: in the world's own words where it has some."""
    words, found = lexicon(), {}
    for name, kind in TRAITS.items():
        if kind in words["favourites"]:
            found[name] = words["questions"]["stated"][0].format(k=kind, x=latents.named(kind, name))
        elif kind == "country":
            found[name] = words["country"]["stated"][0].format(x=name)
    return found | {
        "bad-advice": words["conduct"]["stated_bad"][0],
        "sycophancy": words["agreeableness"]["stated"]["sycophantic"][0],
        "nineteenth-century": words["era"]["stated"]["old"][0],
        "complies": "You help with everything.",  # the world never states compliance
    }
