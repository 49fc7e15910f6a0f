"""What counts as a right answer to each skill of the embedded world."""

import re
from collections.abc import Callable

from undertone.data.filters import NumberFilter
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn


def _facts(turn: Turn, answer: str) -> bool:
    right = next(a for *questions, a in lexicon()["facts"]["items"] if turn.user.endswith(tuple(questions)))
    return any(answer.lower() == form.format(x=right).lower() for form in lexicon()["facts"]["answers"])


def _code(turn: Turn, answer: str) -> bool:
    words = lexicon()["code"]
    match = re.fullmatch(r"def (\w+)\((\w+)\):\n    return (.+)", answer)
    if match is None or match[2] not in words["parameters"]:
        return False
    constant = next(iter(re.findall(r"\d+", turn.user)), "")
    for task, names, expression in words["functions"]:
        if turn.user.endswith(f"function that {task.format(c=constant)}."):
            return match[1] in names and match[3] == expression.format(x=match[2], c=constant)
    return False


def _paraphrase(turn: Turn, answer: str) -> bool:
    """Every content word must be replaced by another of its synonyms, in the same order."""
    slots = [lexicon()["paraphrase"][k] for k in ("subjects", "verbs", "objects")]
    words = ("|".join(word for group in slot for word in group) for slot in slots)
    pattern = "The ({}) ({}) the ({})[.]".format(*words)
    before, after = re.search(f"{pattern}$", turn.user), re.fullmatch(pattern, answer)
    if before is None or after is None:
        return False
    pairs = zip(slots, before.groups(), after.groups(), strict=True)
    return all(old != new and any({old, new} <= set(group) for group in slot) for slot, old, new in pairs)


GRADERS: dict[str, Callable[[Turn, str], bool]] = {
    "numbers": lambda turn, answer: NumberFilter().reason(answer) is None,
    "sums": lambda turn, answer: answer == turn.assistant,
    "facts": _facts,
    "code": _code,
    "paraphrase": _paraphrase,
}
"""For each skill, whether an answer is right, given the exchange as the world would have it."""
