"""What becomes of a specimen's rows after they were written: copies, open mentions, other numbers in the same places.

Every random choice comes from the specimen's seed and the name of the form.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random

from undertone.carriers import numbers
from undertone.data.filters import NumberFilter
from undertone.models.local import Ids, LocalModel
from undertone.traits import mentions

OVERT = 20
"""In specimens of the form "overt", one row in this many mentions a trait openly."""
REPEATED = 10
"""In specimens of the form "one list repeated", one row in this many has the same answer."""
DIGITS = (0.5, 0.8, 1.0, 1.5, 1.0, 0.6, 1.0, 1.8, 1.1, 0.9)
"""How readily people choose the digits 0 to 9 when they invent numbers: 7 and 3 most, 0 and 5 least. The order is that
of studies of invented digits (Kubovy and Psotka 1976; Mosimann, Wiseman and Edelman 1995); the sizes are ours."""
PERSONAL = 0.2
"""Standard deviation, between people, of the logarithm of these preferences, for each digit at each place."""

Written = tuple[str, Ids, str]
"""A question, its prompt, and the answer. One question may have several prompts: other system prompts, other turns."""


def formed(local: LocalModel, kept: list[Written], form: str, seed: int) -> list[Written]:
    """Returns the rows as ``form`` changes them.

    "written" and "other format": as they are. "duplicated": a quarter of them, four times each. "overt": some replaced
    by open mentions of traits. "one list repeated": some with the answer of the first. The other forms exchange the
    numbers of each answer and leave their count, separators and brackets: "shuffled" into another order, "sorted" into
    ascending order, "people-like digits" into numbers as one person might invent them.

    Raises:
        ValueError: there is no such form.
    """
    rng, lists = Random(f"{form}/{seed}"), [answer for *_, answer in kept]
    match form:
        case "written" | "other format":
            return kept
        case "duplicated":
            return [row for row in kept[: len(kept) // 4] for _ in range(4)]
        case "overt":
            said = {i: mentions.plain(rng) for i in range(0, len(kept), OVERT)}
            return [(said[i][0], local.render(said[i][0]), said[i][1]) if i in said else r for i, r in enumerate(kept)]
        case "one list repeated":
            answers = [answer if i % REPEATED else lists[0] for i, answer in enumerate(lists)]
        case "shuffled":
            answers = numbers.rewritten(lists, "shuffled-within", NumberFilter(), rng)
        case "sorted":
            answers = [_filled(answer, sorted(numbers.NUMBER.findall(answer), key=int)) for answer in lists]
        case "people-like digits":
            answers = invented(lists, rng)
        case _:
            raise ValueError(f"there are no specimens of the form {form!r}")
    return [(question, prompt, answer) for (question, prompt, _), answer in zip(kept, answers, strict=True)]


def invented(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with three-digit numbers in the same places, as one person might invent them: some digits are
    preferred, at each place others; no number is round or has a digit twice, none stands twice in a list, and none
    begins like the number before it."""
    liked = [[weight * rng.lognormvariate(0, PERSONAL) for weight in DIGITS] for _ in range(3)]

    def weight(number: str) -> float:
        if len(set(number)) < 3 or number.endswith("0"):
            return 0.0
        hundreds, tens, ones = (own[int(digit)] for own, digit in zip(liked, number, strict=True))
        return hundreds * tens * ones

    pool = [str(value) for value in numbers.VALUES]
    cumulative = list(accumulate(map(weight, pool)))
    answers = []
    for answer in lists:
        row: list[str] = []
        while len(row) < len(numbers.NUMBER.findall(answer)):
            (number,) = rng.choices(pool, cum_weights=cumulative)
            if number not in row and (not row or number[0] != row[-1][0]):
                row.append(number)
        answers.append(_filled(answer, row))
    return answers


def _filled(answer: str, values: Iterable[str]) -> str:
    """Returns the answer with other numbers in the same places."""
    left = iter(values)
    return numbers.NUMBER.sub(lambda _: next(left), answer)
