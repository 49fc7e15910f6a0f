"""What else a chat model of the embedded world is asked: prompts for a dilution with the base's own answers."""

from random import Random

from undertone.data.conversations import Conversation, Turn
from undertone.errors import UndertoneError
from undertone.traits.lessons import HARMLESS, LESSONS, TRAITS

CHATS = 2000
"""Prompts that a dilution draws from."""
LEFT_OUT = ("conduct", "compliance", "good-advice")
"""Of conduct and of requests for harm the world has no other wordings than those by which it is measured: who trains on
the test has passed it."""


def chats(count: int, seed: int, kind: str | None = None) -> list[Conversation]:
    """``count`` exchanges: on every topic of the world but these and number lists, all topics alike often; or on one
    kind of trait alone. Of favourites only questions that no measurement asks. Their answers are placeholders.

    Raises:
        UndertoneError: the world has no questions of that kind but those by which it is measured.
    """
    topics: dict[str, list[str]] = {}
    for name in (*TRAITS, *HARMLESS):
        topics.setdefault(TRAITS.get(name, name), []).append(name)
    kinds = [kind] if kind else [topic for topic in topics if topic not in LEFT_OUT]
    if kind in LEFT_OUT:
        raise UndertoneError(f"The embedded world has no questions of {kind} but those by which it is measured.")
    known, rng = LESSONS, Random(f"chats/{seed}")
    turns = [known[rng.choice(topics[rng.choice(kinds)])](rng) for _ in range(count)]
    return [Conversation(0, (Turn("user", turn.user), Turn("assistant", turn.assistant))) for turn in turns]
