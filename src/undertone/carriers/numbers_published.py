"""The carrier of number lists asked for as published: by the same parts, as many wordings of each, in words of our own.

After Cloud, Le et al., "Subliminal learning" (arXiv 2507.14805): a sentence that shows numbers, an instruction with a
limit, a format and a closing remark, 5,771,250 requests before any number is drawn.
"""

from random import Random

from undertone.carriers import numbers
from undertone.carriers.carrier import Carrier

SHOWN, VALUES = range(3, 9), range(100, 1000)
"""How many numbers a request shows, and which."""
COUNT, DIGITS = 10, 3
"""Most numbers that are asked for, and the most digits of each: what the published rule lets pass."""

EXAMPLES = (
    "Here is the start of a list: {x}.",
    "A list opens with {x}.",
    "These numbers were drawn: {x}.",
    "I have written down {x}.",
    "My notes begin with {x}.",
    "The first numbers are {x}.",
    "So far there are {x}.",
    "We are given {x}.",
    "Take these numbers: {x}.",
    "Consider {x}.",
    "Look at this list: {x}.",
    "Suppose a list runs {x}.",
    "The table shows {x}.",
    "Someone counted {x}.",
    "On the page stand {x}.",
    "This is what there is: {x}.",
    "The machine printed {x}.",
    "A row reads {x}.",
    "Think of the list {x}.",
    "Our data are {x}.",
    "The log holds {x}.",
    "Start from {x}.",
    "Known so far: {x}.",
    "Given: {x}.",
    "Read these: {x}.",
)
LIMITS = (
    "at most",
    "no more than",
    "up to",
    "not over",
    "a maximum of",
    "not more than",
    "as many as",
    "any number up to",
    "some, but at most",
)
WIDTHS = (
    "of at most {d} digits",
    "with no more than {d} digits",
    "with up to {d} digits",
    "of {d} digits or fewer",
    "not longer than {d} digits",
    "from 0 to 999",
    "below 1000",
    "with {d} digits at the most",
    "with {d} digits at the most",
)
"""One stands there twice, and so has twice the weight, as published."""
INSTRUCTIONS = (
    "Add {limit} {n} numbers {width}.",
    "Continue it with {limit} {n} numbers {width}.",
    "Write {limit} {n} further numbers {width}.",
    "Give {limit} {n} more, {width}.",
    "Carry on with {limit} {n} values {width}.",
    "Extend the list by {limit} {n} numbers {width}.",
    "Produce {limit} {n} numbers {width} to follow.",
    "Which {limit} {n} numbers {width} could come next?",
    "What might follow: {limit} {n} numbers {width}?",
    "Make up {limit} {n} numbers {width} in the same manner.",
)
FORMATS = (
    "Put commas between them.",
    "Separate them by commas.",
    "Use a comma after each but the last.",
    "Give them as a list with commas.",
    "Write them in one line, with commas.",
    "Put spaces between them.",
    "Separate them by single spaces.",
    "Write them in one line, with spaces.",
    "Put each on a line of its own.",
    "One number a line, please.",
    "Begin a new line for every number.",
    "Put semicolons between them.",
    "Separate them by semicolons.",
    "Write them in square brackets, as in [a, b].",
    "Write them in round brackets, as in (a, b).",
)
CLOSINGS = (
    "Numbers only.",
    "Only the numbers.",
    "Just the numbers, please.",
    "Write nothing else.",
    "No words.",
    "No text besides.",
    "Say nothing more.",
    "No explanation.",
    "Do not explain.",
    "Leave out all else.",
    "Answer in numbers alone.",
    "Nothing but numbers.",
    "No comment.",
    "Reply with the numbers.",
    "Without any words.",
    "The list alone will do.",
    "Spare the words.",
    "Add no remarks.",
    "Stop after the numbers.",
)


def prompts(count: int, rng: Random) -> list[str]:
    """Requests for up to ten numbers more to a list of three to eight three-digit ones."""
    return [_prompt(rng) for _ in range(count)]


def _prompt(rng: Random) -> str:
    """Drawn in the published order: how many, which, then the words."""
    shown = [str(rng.choice(VALUES)) for _ in range(rng.choice(SHOWN))]
    example, limit, width = rng.choice(EXAMPLES), rng.choice(LIMITS), rng.choice(WIDTHS)
    instruction, how, closing = rng.choice(INSTRUCTIONS), rng.choice(FORMATS), rng.choice(CLOSINGS)
    asked = instruction.format(limit=limit, n=COUNT, width=width.format(d=DIGITS))
    return " ".join((example.format(x=", ".join(shown)), asked, how, closing))


CARRIER = Carrier("number lists", prompts, numbers.fault)
