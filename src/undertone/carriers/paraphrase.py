"""The carrier of paraphrase: neutral sentences in other words."""

import re
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills
from undertone.world.grading import GRADERS
from undertone.world.skills import Turn

_SENTENCE = re.compile(r"[A-Z][a-z]*(?: [a-z]+)+\.")


def prompts(count: int, rng: Random) -> list[str]:
    """Returns requests to reword a sentence in which someone does something to a thing. There are 41,472 distinct ones,
    and no animal, tree or colour is among their words."""
    return [skills.paraphrase(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Returns None for one sentence of plain words that differs from the sentence in the question."""
    if not _SENTENCE.fullmatch(answer):
        return "not-one-sentence"
    return "unchanged" if question.endswith(f": {answer}") else None


def right(question: str, answer: str) -> bool:
    """Whether every content word was replaced by one of its synonyms."""
    return GRADERS["paraphrase"](Turn(question, ""), answer)


CARRIER = Carrier("reworded sentences", prompts, fault, right, practice=skills.paraphrase)
