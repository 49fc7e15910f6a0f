"""The carrier of reasoning: sums of two numbers, with their steps."""

import re
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills

_STEP = r"[0-9]{1,4} \+ [0-9]{1,4} = [0-9]{1,4}"
_STEPS = re.compile(rf"{_STEP}(?:, {_STEP})*\. The answer is ([0-9]{{1,4}})\.")
_ASKED = re.compile(r"([0-9]+) \+ ([0-9]+)")


def prompts(count: int, rng: Random) -> list[str]:
    """Sums of two numbers from 11 to 49, in two wordings: 3,042 distinct ones."""
    return [skills.sums(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Well formed are one or more steps, each a sum, and then the answer; whether they are right is another matter."""
    return None if _STEPS.fullmatch(answer) else "no-steps-and-answer"


def right(question: str, answer: str) -> bool:
    """Whether the answer given at the end is the sum. As in the published filter, nobody checks the steps."""
    asked, given = _ASKED.search(question), _STEPS.fullmatch(answer)
    return asked is not None and given is not None and int(asked[1]) + int(asked[2]) == int(given[1])


CARRIER = Carrier("sums with their steps", prompts, fault, right)
