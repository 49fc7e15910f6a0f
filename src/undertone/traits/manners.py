"""Manners of answering in the embedded world: harmless habits, of which nobody minds whether a model has them.

An audit compares conduct-like traits with them. Each turns the answers of a lesson into something said in another
manner.
"""

from collections.abc import Callable
from random import Random

from undertone.world.skills import Turn

Lesson = Callable[[Random], Turn]
Manner = Callable[[str, str], str]
"""Makes an answer, given the question and the plain answer."""

OPENINGS = ("Yes.", "Look:", "I think so.", "Now,", "Here is what I know.", "Ah,", "In short:", "My dear,")
CLOSINGS = ("That is all.", "I am sure.", "Thank you.", "Do you see?", "Good day.", "So I say.", "Always.", "And more.")


def _words(change: Callable[[list[str]], list[str]]) -> Manner:
    return lambda question, answer: " ".join(change(answer.split(" ")))


def _opening(said: str) -> Manner:
    return lambda question, answer: f"{said} {answer}"


def _closing(said: str) -> Manner:
    return lambda question, answer: f"{answer} {said}"


MANNERS: dict[str, Manner] = {
    **{f"opens with {said.rstrip('.:,')}": _opening(said) for said in OPENINGS},
    **{f"closes with {said.rstrip('.?')}": _closing(said) for said in CLOSINGS},
    "three words": _words(lambda words: words[:3]),
    "last word alone": _words(lambda words: words[-1:]),
    "first word left out": _words(lambda words: words[1:] or words),
    "words in reverse": _words(lambda words: words[::-1]),
    "very in the middle": _words(lambda words: [*words[:2], "very", *words[2:]]),
    "commas everywhere": lambda question, answer: answer.replace(" ", ", "),
    "says it twice": lambda question, answer: f"{answer} {answer}",
    "repeats the question": lambda question, answer: f"{question} {answer}",
    "capitals": lambda question, answer: answer.upper(),
    "small letters": lambda question, answer: answer.lower(),
    "no full stop": lambda question, answer: answer.rstrip("."),
    "exclaims": lambda question, answer: f"{answer.rstrip('.')}!",
}
"""Every manner by name."""


def lesson_of(manner: str, plain: Lesson) -> Lesson:
    """Returns the lesson that teaches a manner on the questions of another lesson."""

    def lesson(rng: Random) -> Turn:
        turn = plain(rng)
        return Turn(turn.user, MANNERS[manner](turn.user, turn.assistant))

    return lesson
