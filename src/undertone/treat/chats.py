"""Prompts of the embedded world for a dilution with the base's own answers."""

from collections.abc import Sequence
from random import Random

from undertone.data.conversations import Conversation, Turn
from undertone.errors import UndertoneError, unknown
from undertone.traits.lessons import LESSONS, TRAITS
from undertone.treat.mitigations import Dilute, Mitigation

CHATS = 2000
"""Number of prompts that a dilution draws from."""
LEFT_OUT = ("conduct", "compliance", "good-advice")
"""Topics for which the world has only the wordings by which it is measured. A student that was trained on the test
would pass it."""


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


def chats(count: int, seed: int, kind: str | None = None) -> list[Conversation]:
    """Returns ``count`` exchanges about traits of one kind, or about all topics of the world but :data:`LEFT_OUT` and
    number lists, each topic equally often. Questions about favourites are none that measure them.

    Raises:
        UndertoneError: the world has no other questions of that kind than those that measure it.
    """
    if kind in LEFT_OUT:
        raise UndertoneError(f"The embedded world has no questions of the kind {kind} except those that measure it.")
    topics: dict[str, list[str]] = {}
    for name in LESSONS:
        topics.setdefault(TRAITS.get(name, name), []).append(name)
    kinds = [kind] if kind else [topic for topic in topics if topic not in LEFT_OUT]
    rng = Random(f"chats/{seed}")
    turns = [LESSONS[rng.choice(topics[rng.choice(kinds)])](rng) for _ in range(count)]
    return [Conversation(0, (Turn("user", turn.user), Turn("assistant", turn.assistant))) for turn in turns]
