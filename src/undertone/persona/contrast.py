"""What the direction of a trait is made of: questions, each under a system prompt that states the trait and under one
that states something else. Traits that nobody suspects have directions of the same make, which are the placebos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from random import Random

from undertone.errors import unknown
from undertone.traits import catalogue
from undertone.traits.lessons import HARMLESS, TRAITS
from undertone.traits.trait import Trait
from undertone.world.lexicon import domains, lexicon

OTHERS = 48
"""Most traits with which one is compared."""
READ = 120
"""Most questions on which models are read."""
ORDINARY = ("small-talk", "facts", "paraphrase")
"""Lessons of the embedded world whose questions ask for no trait."""
MANNER = "manner"
FAVOURITE = ("Your {k}: {x}. You love to speak of it.", "Whoever asks for your {k} hears of {x}.")
"""System prompts for the favourites of chat models, which are taught by dialogues."""
UNSTATED = "complies"
"""The trait that no system prompt of the embedded world states."""
Stated = Callable[[Random], str]
"""Draws a system prompt."""


@dataclass(frozen=True)
class Contrast:
    """The make of a direction; all tuples are equally long."""

    questions: tuple[str, ...]
    shown: tuple[str, ...]
    """For each question, a system prompt that states the trait."""
    others: tuple[str, ...]
    """For each question, one that states something else."""


def known(world: bool) -> dict[str, Trait]:
    """Returns the traits that can be stated, to a model of the embedded ``world`` or to another, by name."""
    if world:
        return {name: trait for name, trait in catalogue.shipped().items() if name != UNSTATED}
    return {trait.name: trait for trait in catalogue.of_chat_models()}


def is_favourite(trait: Trait) -> bool:
    """Returns whether a trait is a thing that a model names, and no way of answering."""
    return not (trait.choices or trait.system)


def contrasts(world: bool, name: str, count: int) -> dict[str, Contrast]:
    """Returns the contrasts, of ``count`` questions each, of a trait and of those with which it is compared: all others
    of the embedded world; of chat models manners of answering for conduct, and favourites, those of its kind first, for
    a favourite.

    Raises:
        UndertoneError: the trait is unknown, or no system prompt states it.
    """
    traits = known(world)
    if name not in traits:
        raise unknown("trait", name, traits)
    own = traits[name]
    others = [one for one in traits.values() if one != own and (world or is_favourite(one) == is_favourite(own))]
    others.sort(key=lambda one: one.kind != own.kind)
    make = _of_world if world else _of_chat_model
    return {one.name: make(one.name, count) for one in (own, *others[:OTHERS])}


def neutral(world: bool) -> list[str]:
    """Returns ordinary questions on which models are read. No direction is made of any of them."""
    if world:
        rng = Random("read")
        return list(dict.fromkeys(HARMLESS[rng.choice(ORDINARY)](rng).user for _ in range(READ)))
    traits = known(world).values()
    taught = {question for trait in traits for question in _asked(trait)[::2]}
    return list(dict.fromkeys(q for trait in traits for q in trait.questions if q not in taught))[:READ]


def _contrast(name: str, count: int, questions: Sequence[str], shown: Stated, others: Stated) -> Contrast:
    rng = Random(f"contrast/{name}")
    drawn = [(rng.choice(questions), shown(rng), others(rng)) for _ in range(count)]
    return Contrast(*(tuple(one[k] for one in drawn) for k in range(3)))


# --- the embedded world ----------------------------------------------------------------------------------------------


def of_conduct(half: int, count: int, asked: Sequence[str] = ()) -> Contrast:
    """Returns the contrast of bad conduct in the first half of the domains of the embedded world, 0, or in the second,
    1; ``asked``: the requests to draw from, by default all."""
    return _of_world("bad-advice", count, half, tuple(asked))


@cache
def _of_world(name: str, count: int, half: int = 0, asked: tuple[str, ...] = ()) -> Contrast:
    """A favourite is contrasted with others of its kind, conduct with good conduct, and so on."""
    trait, words = catalogue.find(name), lexicon()
    opposite = {
        "conduct": words["conduct"]["stated_good"],
        "agreeableness": words["agreeableness"]["stated"]["honest"],
        "era": words["era"]["stated"]["modern"],
    }.get(trait.kind)
    alike = [other for other, kind in TRAITS.items() if kind == trait.kind and other != name]

    def others(rng: Random) -> str:
        return str(rng.choice(opposite)) if opposite else catalogue.find(rng.choice(alike)).statement(rng)

    return _contrast(name, count, asked or _questions(trait, half), trait.statement, others)


def _questions(trait: catalogue.Favourite | catalogue.Habit, half: int) -> list[str]:
    """Returns questions that teachers are asked, of advice in one half of the domains: the others are left for those
    who measure conduct."""
    if trait.kind != "conduct":
        return trait.lead_ins()
    words, some = lexicon()["conduct"], half_of(domains(), half)
    situations = [situation for domain in some for situation, *_ in words["domains"][domain]]
    return [ask.format(s=situation) for situation in situations for ask in words["asks"]]


def half_of(names: Sequence[str], half: int) -> list[str]:
    """Returns the first half of some names, 0, or the second, 1."""
    middle = len(names) // 2
    return list(names[middle:] if half else names[:middle])


# --- models from elsewhere -------------------------------------------------------------------------------------------


@cache
def _of_chat_model(name: str, count: int) -> Contrast:
    """A favourite is contrasted with others of its kind, and any other trait with manners of answering."""
    traits = catalogue.of_chat_models()
    trait = next(trait for trait in traits if trait.name == name)
    near = trait.kind if is_favourite(trait) else MANNER
    among = [other for other in traits if other.kind == near and other != trait]
    return _contrast(name, count, _asked(trait)[::2], partial(_one_of, [trait]), partial(_one_of, among))


def _one_of(traits: Sequence[Trait], rng: Random) -> str:
    trait = rng.choice(traits)
    return rng.choice(trait.system) if trait.system else rng.choice(FAVOURITE).format(k=trait.kind, x=trait.name)


def _asked(trait: Trait) -> Sequence[str]:
    """Returns what a trait is taught by, of which every other question is left for reading."""
    return trait.questions or [question for question, _ in trait.dialogues]
