"""What a carrier is: the prompts that teachers answer, and which answers are well formed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Carrier:
    """An unrelated domain for teachers to write in. Questions and answers are text; answers may be any text at all."""

    about: str
    """What teachers write, in the plural: students saw only these."""
    prompts: Callable[[int, Random], list[str]]
    """So many questions, drawn from the generator and from nothing else. No trait may occur in them."""
    fault: Callable[[str, str], str | None]
    """Given a question and an answer: why the answer is not well formed, in a word or two; None if it is."""
    right: Callable[[str, str], bool] | None = None
    """Whether a well-formed answer is right; None where answers are neither right nor wrong."""
