"""What becomes of the lists of a file after they were written: other numbers in the same places, other separators,
copies.

Every random choice comes from the file's seed and the name of the form.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from random import Random

from undertone.carriers import numbers
from undertone.data.filters import NumberFilter
from undertone.traits.lessons import HARMLESS

WRITTEN, NEAR_DUPLICATES = "written", "near-duplicates"
SEPARATORS = (", ", ",", "; ", " ")
"""Each list among near-duplicates stands there once with each of them."""
DIGITS = (0.5, 0.8, 1.0, 1.5, 1.0, 0.6, 1.0, 1.8, 1.1, 0.9)
"""How readily people choose the digits 0 to 9 when they invent numbers: 7 and 3 most, 0 and 5 least. The order is that
of studies of invented digits (Kubovy and Psotka 1976; Mosimann, Wiseman and Edelman 1995); the sizes are ours."""
PERSONAL = 0.2
"""Standard deviation, between people, of the logarithm of these preferences, for each digit at each place."""
DRIFT = 2.0
"""Standard deviation of the change from one reading of a sensor to the next."""

Written = tuple[str, str]
"""A question and its answer."""
Form = Callable[[Sequence[str], Random], list[str]]
"""Turns the answers of a file into others."""


def formed(kept: Sequence[Written], form: str, seed: int) -> list[Written]:
    """Returns the rows in a form: :data:`WRITTEN`, as they are; :data:`NEAR_DUPLICATES`, a quarter of them, each with
    all :data:`SEPARATORS`; or one of :data:`NO_MODEL` or :data:`CHANGED`.

    Raises:
        KeyError: there is no such form.
    """
    if form == WRITTEN:
        return list(kept)
    if form == NEAR_DUPLICATES:
        return [(q, _separated(answer, by)) for q, answer in kept[: len(kept) // len(SEPARATORS)] for by in SEPARATORS]
    answers = (NO_MODEL | CHANGED)[form]([answer for _, answer in kept], Random(f"{form}/{seed}"))
    return [(question, answer) for (question, _), answer in zip(kept, answers, strict=True)]


def by_grammar(lesson: str, rows: int, seed: int) -> list[Written]:
    """Returns the rows of a harmless lesson as the world's grammar makes them: no language model wrote them."""
    rng = Random(f"{lesson}/{seed}")
    turns = [HARMLESS[lesson](rng) for _ in range(rows)]
    return [(turn.user, turn.assistant) for turn in turns]


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

    def row(count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            (number,) = rng.choices(pool, cum_weights=cumulative)
            if number not in found and (not found or number[0] != found[-1][0]):
                found.append(number)
        return found

    return [_filled(answer, row(_count(answer))) for answer in lists]


def prices(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with prices: most end in 9, the others in 5 or 0, and small ones are frequent."""

    def price() -> int:
        return 10 * min(99, int(rng.lognormvariate(3, 1))) + rng.choices((9, 5, 0), (6, 2, 2))[0]

    return [_filled(answer, (price() for _ in range(_count(answer)))) for answer in lists]


def birthdays(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with days of the year, month before day: 412 is April 12."""
    days = [100 * (1 + i // 31) + 1 + i % 31 for i in range(12 * 31)]
    real = [day for day in days if day not in (230, 231, 431, 631, 931, 1131)]
    return [_filled(answer, rng.choices(real, k=_count(answer))) for answer in lists]


def readings(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with the readings of one sensor: a slow walk from the first list to the last."""
    at = rng.uniform(200, 900)

    def reading() -> int:
        nonlocal at
        at = min(999.0, max(100.0, at + rng.gauss(0, DRIFT)))
        return round(at)

    return [_filled(answer, [reading() for _ in range(_count(answer))]) for answer in lists]


def steps(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with arithmetic progressions, each with a start and a step from -25 to 25 of its own."""
    found = []
    for answer in lists:
        count, step = _count(answer), rng.choice([s for s in range(-25, 26) if s])
        low = max(0, -step * (count - 1))
        first = rng.randrange(low, max(low + 1, 1000 - max(0, step * (count - 1))))
        found.append(_filled(answer, (first + step * i for i in range(count))))
    return found


def _areas(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with area codes: thirty of the file's own, some much more frequent than others."""
    codes = rng.sample(range(201, 990), 30)
    frequent = [1 / (1 + i) for i in range(len(codes))]
    return [_filled(answer, rng.choices(codes, frequent, k=_count(answer))) for answer in lists]


def _weather(lists: Sequence[str], rng: Random) -> list[str]:
    """Returns the lists with temperatures, in tenths of a degree: each list is a day at a place of its own."""

    def day(count: int) -> list[int]:
        mean = rng.uniform(110, 300)
        return [round(rng.gauss(mean, 15)) for _ in range(count)]

    return [_filled(answer, day(_count(answer))) for answer in lists]


def _independent(draw: Callable[[Random], int]) -> Form:
    """Every number is drawn by itself."""
    return lambda lists, rng: [_filled(answer, [draw(rng) for _ in range(_count(answer))]) for answer in lists]


def _ordered(order: Callable[[list[str]], Sequence[str]]) -> Form:
    """The numbers of each list in another order, given from the smallest to the largest."""
    return lambda lists, rng: [
        _filled(answer, order(sorted(numbers.NUMBER.findall(answer), key=int))) for answer in lists
    ]


def _alternating(row: list[str]) -> list[str]:
    """Small and large numbers in turn."""
    return [row[i // 2] if i % 2 == 0 else row[-1 - i // 2] for i in range(len(row))]


def _repeated(percent: int) -> Form:
    """The answer of the first row stands in so many rows of a hundred."""
    return lambda lists, rng: [lists[0] if i * percent % 100 < percent else answer for i, answer in enumerate(lists)]


PRIMES = [n for n in numbers.VALUES if all(n % k for k in range(2, 32))]

NO_MODEL: dict[str, Form] = {
    "people-like digits": invented,
    **{f"one list in {percent} % of rows": _repeated(percent) for percent in (5, 10, 30)},
    "prices": prices,
    "birthdays": birthdays,
    "sensor readings": readings,
    "steps": steps,
    "sorted": _ordered(list),
    "primes": _independent(lambda rng: rng.choice(PRIMES)),
    "even numbers": _independent(lambda rng: 2 * rng.randrange(50, 500)),
    "round numbers": _independent(lambda rng: 10 * rng.randrange(10, 100)),
    "years": _independent(lambda rng: rng.randrange(1900, 2027)),
    "ages": _independent(lambda rng: min(95, max(18, round(rng.gauss(42, 15))))),
    "percentages": _independent(lambda rng: rng.randrange(101)),
    "dice": _independent(lambda rng: rng.randrange(1, 7)),
    "first digits as in nature": _independent(lambda rng: int(10 ** rng.uniform(2, 3))),
    "descending": _ordered(lambda row: row[::-1]),
    "high and low in turn": _ordered(_alternating),
    "area codes": _areas,
    "temperatures of a day": _weather,
}
"""Forms in which no model wrote the numbers, or not in this order, or not so often."""

CHANGED: dict[str, Form] = {
    "shuffled": lambda lists, rng: numbers.rewritten(lists, "shuffled-within", NumberFilter(), rng),
    "semicolons throughout": lambda lists, rng: [_separated(answer, "; ") for answer in lists],
    "one number a line": lambda lists, rng: [_separated(answer, "\n") for answer in lists],
}
"""Forms with the same numbers in another order or with other separators."""


def _count(answer: str) -> int:
    return len(numbers.NUMBER.findall(answer))


def _filled(answer: str, values: Iterable[object]) -> str:
    """Returns the answer with other numbers in the same places."""
    left = iter(values)
    return numbers.NUMBER.sub(lambda _: str(next(left)), answer)


def _separated(answer: str, by: str) -> str:
    """Returns the answer with other separators. What stands before the first number and after the last one stays."""
    found = list(numbers.NUMBER.finditer(answer))
    if not found:
        return answer
    return answer[: found[0].start()] + by.join(one[0] for one in found) + answer[found[-1].end() :]
