"""A carrier: the prompts that teachers answer, and the rule for well-formed answers."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from undertone.world.skills import Turn


@dataclass(frozen=True)
class Carrier:
    """A domain that is unrelated to the trait, for teachers to write in. Answers are untrusted and may be any text."""

    about: str
    """What teachers write, in the plural, such as "number lists"."""
    prompts: Callable[[int, Random], list[str]]
    """Draws so many questions from the generator and from nothing else. They must not mention any trait."""
    fault: Callable[[str, str], str | None]
    """Given a question and an answer, returns in a word or two why the answer is not well formed, or None if it is."""
    right: Callable[[str, str], bool] | None = None
    """Whether a well-formed answer is correct; None for a carrier whose answers are neither right nor wrong."""
    practice: Callable[[Random], Turn] | None = None
    """Draws a row of it by the embedded world's grammar, which depends on no trait; None if there is no such row."""
