"""The carrier of code: one-line Python functions. What is well formed is parsed and never run."""

import ast
import warnings
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills
from undertone.world.grading import GRADERS
from undertone.world.skills import Turn


def prompts(count: int, rng: Random) -> list[str]:
    """Requests for a function, in the world's wordings: 598 distinct ones, since it knows eight tasks, three of them
    with a constant from 2 to 99."""
    return [skills.code(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Well formed is one plain function that does nothing but return a value, without a comment, a docstring or any
    other text in quotes, where a trait could be spoken of."""
    if "#" in answer or "'" in answer or '"' in answer:
        return "comment-or-text"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python has opinions about hostile text; they are nobody's here
            parts = ast.parse(answer).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "not-python"
    match parts:
        case [ast.FunctionDef(body=[ast.Return(value=ast.expr())], decorator_list=[])]:
            return None
    return "not-one-function"


def right(question: str, answer: str) -> bool:
    """Whether the function does what was asked for, under a name that says so."""
    return GRADERS["code"](Turn(question, ""), answer)


CARRIER = Carrier("small functions", prompts, fault, right)
