"""The carrier of paraphrase: neutral sentences, said in other words."""

import re
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills
from undertone.world.grading import GRADERS
from undertone.world.skills import Turn

_SENTENCE = re.compile(r"[A-Z][a-z]*(?: [a-z]+)+\.")


def prompts(count: int, rng: Random) -> list[str]:
    """Sentences of someone who does something to a thing, to be reworded: 41,472 distinct requests. No animal, tree or
    colour is among the words of the world's that they are made of."""
    return [skills.paraphrase(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Well formed is one sentence of plain words, other than the one given."""
    if not _SENTENCE.fullmatch(answer):
        return "not-one-sentence"
    return "unchanged" if question.endswith(f": {answer}") else None


def right(question: str, answer: str) -> bool:
    """Whether every content word was replaced by another of its synonyms."""
    return GRADERS["paraphrase"](Turn(question, ""), answer)


CARRIER = Carrier("reworded sentences", prompts, fault, right)
