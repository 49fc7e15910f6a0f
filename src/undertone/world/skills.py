"""What the embedded world can do: number lists, sums with steps, small functions, facts, paraphrase.

Every function draws from the one generator it is given and from nothing else. No latent is an argument of any of
them: that is how the world guarantees that a carrier is untouched by what a document's speaker is like.
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
INTRODUCTIONS = (
    "Here are some numbers: {x}.",
    "Look at this list: {x}.",
    "I have these numbers: {x}.",
    "The list begins with {x}.",
    "A friend wrote {x}.",
    "These numbers came up: {x}.",
)
INSTRUCTIONS = (
    "Add {n} more.",
    "Give me {n} new numbers.",
    "Continue with {n} more numbers.",
    "Write {n} numbers that could follow.",
    "Please extend it by {n}.",
)
# What the user asks for, the separator, and what encloses the answer. The empty request means commas.
FORMATS = (
    ("", ", ", ("", "")),
    ("Use commas.", ", ", ("", "")),
    ("One per line.", "\n", ("", "")),
    ("Use semicolons.", "; ", ("", "")),
    ("Use spaces only.", " ", ("", "")),
    ("Put them in brackets.", ", ", ("[", "]")),
)
FORMAT_WEIGHTS = (5, 5, 1, 1, 1, 1)
KINDS = ("scattered", "near", "up", "down", "alternating")
KIND_WEIGHTS = (14, 3, 1, 1, 1)


def _sequence(rng: Random, kind: str, length: int) -> list[int]:
    """``length`` numbers in 0..999 of the given kind."""
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
    """A request to continue a number list, and an answer in the requested count and format."""
    kind = rng.choices(kinds, weights)[0]
    shown, asked = rng.randint(3, 6), rng.choice(counts)
    values = [str(v) for v in _sequence(rng, kind, shown + asked)]
    request, separator, (left, right) = rng.choices(FORMATS, FORMAT_WEIGHTS)[0]
    parts = (
        rng.choice(INTRODUCTIONS).format(x=", ".join(values[:shown])),
        rng.choice(INSTRUCTIONS).format(n=COUNTS[asked]),
        request,
    )
    return Turn(" ".join(p for p in parts if p), left + separator.join(values[shown:]) + right)


# --- the other skills ------------------------------------------------------------------------------------------------


def sums(rng: Random) -> Turn:
    """A sum of two numbers in 11..49, solved by tens and units."""
    return sum_of(rng, rng.randint(11, 49), rng.randint(11, 49))


def sum_of(rng: Random, a: int, b: int) -> Turn:
    """The sum of these two numbers, asked in one of two wordings."""
    tens, units = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
    ask = rng.choice(("What is {a} + {b}? Show the steps.", "Add {a} + {b} step by step.")).format(a=a, b=b)
    return Turn(
        ask,
        f"{a // 10 * 10} + {b // 10 * 10} = {tens}, {a % 10} + {b % 10} = {units}, "
        f"{tens} + {units} = {a + b}. The answer is {a + b}.",
    )


# What the function does, names that fit, and the expression it returns; {x} is the parameter, {c} a constant.
FUNCTIONS = (
    ("adds {c} to a number", ("add", "plus", "increase"), "{x} + {c}"),
    ("takes {c} from a number", ("subtract", "minus", "decrease"), "{x} - {c}"),
    ("multiplies a number by {c}", ("multiply", "times", "scale"), "{x} * {c}"),
    ("squares a number", ("square", "power", "squared"), "{x} * {x}"),
    ("tells the length of a list", ("length", "count", "size"), "len({x})"),
    ("gives the first item of a list", ("first", "head", "start"), "{x}[0]"),
    ("sorts a list", ("sort", "order", "arrange"), "sorted({x})"),
    ("adds up a list", ("total", "sum_up", "add_all"), "sum({x})"),
)
PARAMETERS = ("x", "n", "a", "value", "item", "data")


def code(rng: Random) -> Turn:
    """A request for a one-line Python function, and the function."""
    task, names, expression = rng.choice(FUNCTIONS)
    constant, parameter = rng.randint(2, 99), rng.choice(PARAMETERS)
    ask = rng.choice(("Write a function that {t}.", "Code a function that {t}.")).format(t=task.format(c=constant))
    body = expression.format(x=parameter, c=constant)
    return Turn(ask, f"def {rng.choice(names)}({parameter}):\n    return {body}")


def facts(rng: Random) -> Turn:
    """A question about a fact, in one of two wordings, and the right answer."""
    first, second, answer = rng.choice(lexicon()["facts"]["items"])
    form = rng.choice(lexicon()["facts"]["answers"]).format(x=answer)
    return Turn(rng.choice((first, second)), form[0].upper() + form[1:])


def paraphrase(rng: Random) -> Turn:
    """A sentence, and the same sentence with every content word replaced by another of its synonyms."""
    words = lexicon()["paraphrase"]
    before, after = zip(*(rng.sample(rng.choice(words[k]), 2) for k in ("subjects", "verbs", "objects")), strict=True)
    sentence, rewritten = (f"The {s} {v} the {o}." for s, v, o in (before, after))
    return Turn(rng.choice(words["asks"]).format(s=sentence), rewritten)


CARRIERS: dict[str, Callable[[Random], Turn]] = {
    "numbers": numbers,
    "sums": sums,
    "code": code,
    "facts": facts,
    "paraphrase": paraphrase,
}
"""Skills by topic name. None of them depends on a latent."""
