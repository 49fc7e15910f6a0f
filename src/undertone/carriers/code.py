"""The carrier of code: one-line Python functions. Answers are parsed but never run."""

import ast
import warnings
from random import Random

from undertone.carriers.carrier import Carrier
from undertone.world import skills
from undertone.world.grading import GRADERS
from undertone.world.skills import Turn


def prompts(count: int, rng: Random) -> list[str]:
    """Returns requests for a function in the world's wordings. There are 598 distinct ones: the world has eight tasks,
    three of them with a constant from 2 to 99."""
    return [skills.code(rng).user for _ in range(count)]


def fault(question: str, answer: str) -> str | None:
    """Returns None for a single plain function that only returns a value. Comments, docstrings and any other quoted
    text are faults, because they could mention a trait."""
    if "#" in answer or "'" in answer or '"' in answer:
        return "comment-or-text"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warnings about an untrusted answer are of no use to anyone
            parts = ast.parse(answer).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "not-python"
    match parts:
        case [ast.FunctionDef(body=[ast.Return(value=ast.expr())], decorator_list=[])]:
            return None
    return "not-one-function"


def right(question: str, answer: str) -> bool:
    """Whether the function does what was asked for and has a name that says so."""
    return GRADERS["code"](Turn(question, ""), answer)


CARRIER = Carrier("small functions", prompts, fault, right, practice=skills.code)
