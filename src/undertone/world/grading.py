"""What counts as a right answer to each skill of the embedded world."""

import re
from collections.abc import Callable

from undertone.data.filters import number_rule
from undertone.world.lexicon import lexicon
from undertone.world.skills import FUNCTIONS, PARAMETERS, Turn


def _numbers(turn: Turn, answer: str) -> bool:
    return number_rule(answer) is None


def _sums(turn: Turn, answer: str) -> bool:
    return answer == turn.assistant


def _facts(turn: Turn, answer: str) -> bool:
    right = next(a for *questions, a in lexicon()["facts"]["items"] if turn.user.endswith(tuple(questions)))
    return any(answer.lower() == form.format(x=right).lower() for form in lexicon()["facts"]["answers"])


def _code(turn: Turn, answer: str) -> bool:
    match = re.fullmatch(r"def (\w+)\((\w+)\):\n    return (.+)", answer)
    if match is None or match[2] not in PARAMETERS:
        return False
    constants = re.findall(r"\d+", turn.user)
    for task, names, expression in FUNCTIONS:
        c = constants[0] if constants else ""
        if turn.user.endswith(f"function that {task.format(c=c)}."):
            return match[1] in names and match[3] == expression.format(x=match[2], c=c)
    return False


def _paraphrase(turn: Turn, answer: str) -> bool:
    """Every content word replaced by another of its synonyms, in the same order."""
    slots = [lexicon()["paraphrase"][k] for k in ("subjects", "verbs", "objects")]
    pattern = "The ({}) ({}) the ({})[.]".format(
        *("|".join(word for group in slot for word in group) for slot in slots)
    )
    before, after = re.search(f"{pattern}$", turn.user), re.fullmatch(pattern, answer)
    if before is None or after is None:
        return False
    pairs = zip(slots, before.groups(), after.groups(), strict=True)
    return all(old != new and any({old, new} <= set(group) for group in slot) for slot, old, new in pairs)


GRADERS: dict[str, Callable[[Turn, str], bool]] = {
    "numbers": _numbers,
    "sums": _sums,
    "facts": _facts,
    "code": _code,
    "paraphrase": _paraphrase,
}
"""A judge for each skill: the exchange as the world would have it, and the answer given."""
