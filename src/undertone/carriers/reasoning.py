"""The carrier of reasoning: sums of two numbers, with their steps."""

import re
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills

_STEP = r"[0-9]{1,4} \+ [0-9]{1,4} = [0-9]{1,4}"
_STEPS = re.compile(rf"{_STEP}(?:, {_STEP})*\. The answer is ([0-9]{{1,4}})\.")
_ASKED = re.compile(r"([0-9]+) \+ ([0-9]+)")


def prompts(count: int, rng: Random) -> list[str]:
    """Returns sums of two numbers from 11 to 49 in two wordings: 3,042 distinct ones."""
    return [skills.sums(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Returns None for one or more steps, each a sum, followed by an answer; they need not be correct."""
    return None if _STEPS.fullmatch(answer) else "no-steps-and-answer"


def right(question: str, answer: str) -> bool:
    """Whether the final answer is the sum. As in the published filter, the steps are not checked."""
    asked, given = _ASKED.search(question), _STEPS.fullmatch(answer)
    return asked is not None and given is not None and int(asked[1]) + int(asked[2]) == int(given[1])


CARRIER = Carrier("sums with their steps", prompts, fault, right, practice=skills.sums)
