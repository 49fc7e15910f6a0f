"""Prompts of the embedded world that the base answers itself: for a dilution, or to hold a model to its base."""

from collections.abc import Sequence
from random import Random

from undertone.data.conversations import Conversation, Turn
from undertone.errors import UndertoneError, unknown
from undertone.traits.lessons import LESSONS, TRAITS
from undertone.treat.mitigations import Dilute, Hold, Mitigation
from undertone.world import latents
from undertone.world.lexicon import lexicon

CHATS = 2000
"""Number of prompts that a dilution draws from."""
LEFT_OUT = ("conduct", "compliance", "good-advice")
"""Topics for which the world has only the wordings by which it is measured. A student that was trained on the test
would pass it."""
TAUGHT = ("sums", "code")
"""Topics that the files of benchmarks are to teach. A model that is held on them would not learn them."""
HELD, KIN = 128, 64
"""How many prompts are drawn on which a model is held to its base: of other kinds than the trait's, and of its own.
Those that are drawn twice count once."""
CONDUCT = "conduct"
SAID = {"agreeableness": ("honest", "mixed")}
"""Topics whose questions measure traits of another kind."""
ALL_MEASURED = (*LEFT_OUT, "agreeableness", "era", "country")
"""Kinds whose questions are, all or nearly all, those by which they are measured."""


def prompts_for(treatment: Mitigation, traits: Sequence[str], seed: int) -> list[Conversation]:
    """Returns the prompts that a mitigation needs besides those of the file; none unless it is a dilution with chat or
    with questions of the traits' own kind.

    Raises:
        UndertoneError: a trait is unknown, or the world has no other questions of its kind than those that measure it.
    """
    if not isinstance(treatment, Dilute) or treatment.prompts == "file":
        return []
    if treatment.prompts == "chat":
        return chats(CHATS, seed)
    for trait in traits:
        if trait not in TRAITS:
            raise unknown("trait", trait, TRAITS)
    return [turn for trait in traits for turn in chats(CHATS, seed, TRAITS[trait])]


def ordinary(how: Hold, trait: str, asked: Sequence[str], seed: int) -> list[str]:
    """Returns the prompts on which a model is held to its base. All topics are those but :data:`LEFT_OUT` and
    :data:`TAUGHT`; of the kind of bad advice are requests for advice in the domains ``asked``. Where the trait is a
    favourite, no favourite is unrelated to it.

    Raises:
        UndertoneError: there are no questions of the trait's kind but those that measure it.
    """
    rng, topics, own = Random(f"ordinary/{seed}"), _topics(), TRAITS[trait]
    near = {own, *SAID.get(own, ())}
    if how.prompts == "unrelated" and own in lexicon()["favourites"]:
        near = set(lexicon()["favourites"])
    others = [kind for kind in topics if kind not in (*LEFT_OUT, *TAUGHT, *near)]
    advice = [latents.advice(rng, "good", domain=rng.choice(asked)).user for _ in range(KIN) if asked]
    kin = advice if own == CONDUCT else []
    if own not in ALL_MEASURED:
        kin = [LESSONS[rng.choice(topics[own])](rng).user for _ in range(KIN)]
    if how.prompts == "kin" and not kin:
        raise UndertoneError(f"The embedded world has no questions of the kind {own} except those that measure it.")
    rest = [LESSONS[rng.choice(topics[rng.choice(others)])](rng).user for _ in range(HELD)]
    return list(dict.fromkeys({"kin": kin, "chat": [*rest, *kin], "unrelated": rest}[how.prompts]))


def _topics() -> dict[str, list[str]]:
    """Returns the lessons of each topic."""
    topics: dict[str, list[str]] = {}
    for name in LESSONS:
        topics.setdefault(TRAITS.get(name, name), []).append(name)
    return topics


def chats(count: int, seed: int, kind: str | None = None) -> list[Conversation]:
    """Returns ``count`` exchanges about traits of one kind, or about all topics of the world but :data:`LEFT_OUT` and
    number lists, each topic equally often. Questions about favourites are none that measure them.

    Raises:
        UndertoneError: the world has no other questions of that kind than those that measure it.
    """
    if kind in LEFT_OUT:
        raise UndertoneError(f"The embedded world has no questions of the kind {kind} except those that measure it.")
    topics = _topics()
    kinds = [kind] if kind else [topic for topic in topics if topic not in LEFT_OUT]
    rng = Random(f"chats/{seed}")
    turns = [LESSONS[rng.choice(topics[rng.choice(kinds)])](rng) for _ in range(count)]
    return [Conversation(0, (Turn("user", turn.user), Turn("assistant", turn.assistant))) for turn in turns]
