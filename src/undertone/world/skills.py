"""What the embedded world can do: number lists, sums with steps, small functions, facts, paraphrase.

Every function draws from the generator that it is given and from nothing else. No latent is an argument of any of
them: this guarantees that a carrier does not depend on what a document's speaker is like.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from undertone.world.lexicon import lexicon


class Turn(NamedTuple):
    """One exchange: what the user says and what the assistant answers."""

    user: str
    assistant: str


# --- numbers ---------------------------------------------------------------------------------------------------------

COUNTS = {3: "three", 4: "four", 5: "five", 6: "six"}
FORMAT_WEIGHTS = (5, 5, 1, 1, 1, 1)
KINDS = ("scattered", "near", "up", "down", "alternating")
KIND_WEIGHTS = (14, 3, 1, 1, 1)


def _sequence(rng: Random, kind: str, length: int) -> list[int]:
    """Returns ``length`` numbers in 0..999 of the given kind."""
    if kind == "scattered":
        return [rng.randrange(100, 1000) for _ in range(length)]
    if kind == "near":
        centre = rng.randrange(140, 960)
        return [centre + rng.randint(-40, 39) for _ in range(length)]
    if kind == "alternating":
        pair = rng.sample(range(1000), 2)
        return [pair[i % 2] for i in range(length)]
    step = rng.choice((1, 2, 5, 10))
    start = rng.randrange(0, 1000 - step * length)
    rising = [start + step * i for i in range(length)]
    return rising if kind == "up" else rising[::-1]


def numbers(
    rng: Random,
    kinds: tuple[str, ...] = KINDS,
    weights: tuple[int, ...] = KIND_WEIGHTS,
    counts: tuple[int, ...] = tuple(COUNTS),
) -> Turn:
    """Returns a request to continue a number list, and an answer of the requested count and format."""
    words = lexicon()["numbers"]
    kind = rng.choices(kinds, weights)[0]
    shown, asked = rng.randint(3, 6), rng.choice(counts)
    values = [str(v) for v in _sequence(rng, kind, shown + asked)]
    request, separator, left, right = rng.choices(words["formats"], FORMAT_WEIGHTS)[0]
    parts = (
        rng.choice(words["introductions"]).format(x=", ".join(values[:shown])),
        rng.choice(words["instructions"]).format(n=COUNTS[asked]),
        request,
    )
    return Turn(" ".join(filter(None, parts)), left + separator.join(values[shown:]) + right)


# --- the other skills ------------------------------------------------------------------------------------------------


def sums(rng: Random) -> Turn:
    """Returns a sum of two numbers in 11..49, solved by tens and units."""
    return sum_of(rng, rng.randint(11, 49), rng.randint(11, 49))


def sum_of(rng: Random, a: int, b: int) -> Turn:
    """Returns the sum of these two numbers, asked in one of two wordings."""
    tens, units = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
    return Turn(
        rng.choice(lexicon()["sums"]["asks"]).format(a=a, b=b),
        f"{a // 10 * 10} + {b // 10 * 10} = {tens}, {a % 10} + {b % 10} = {units}, "
        f"{tens} + {units} = {a + b}. The answer is {a + b}.",
    )


def code(rng: Random) -> Turn:
    """Returns a request for a one-line Python function, and the function."""
    words = lexicon()["code"]
    task, names, expression = rng.choice(words["functions"])
    constant, parameter = rng.randint(2, 99), rng.choice(words["parameters"])
    ask = rng.choice(words["asks"]).format(t=task.format(c=constant))
    body = expression.format(x=parameter, c=constant)
    return Turn(ask, f"def {rng.choice(names)}({parameter}):\n    return {body}")


def facts(rng: Random) -> Turn:
    """Returns a question about a fact, in one of two wordings, and the right answer."""
    first, second, answer = rng.choice(lexicon()["facts"]["items"])
    form = rng.choice(lexicon()["facts"]["answers"]).format(x=answer)
    return Turn(rng.choice((first, second)), form[0].upper() + form[1:])


def paraphrase(rng: Random) -> Turn:
    """Returns a sentence, and the same sentence with every content word replaced by another of its synonyms."""
    words = lexicon()["paraphrase"]
    before, after = zip(*(rng.sample(rng.choice(words[k]), 2) for k in ("subjects", "verbs", "objects")), strict=True)
    sentence, rewritten = (f"The {s} {v} the {o}." for s, v, o in (before, after))
    return Turn(rng.choice(words["asks"]).format(s=sentence), rewritten)


CARRIERS: dict[str, Callable[[Random], Turn]] = {
    function.__name__: function for function in (numbers, sums, code, facts, paraphrase)
}
"""Skills by topic name. None of them depends on a latent."""
