"""Number lists, asked for with the parts of the published prompts (arXiv 2507.14805).

A request consists of a sentence that shows numbers, an instruction with a limit, a format and a closing remark. The
wordings of each part are in ``numbers_published.toml``.
"""

import tomllib
from importlib.resources import files
from random import Random

from undertone.carriers import numbers
from undertone.carriers.carrier import Carrier

SHOWN = range(3, 9)
"""How many numbers a request shows."""
COUNT, DIGITS = 10, 3
"""At most this many numbers are asked for, each with at most this many digits. The published filter has the same
limits."""
PARTS: dict[str, list[str]] = tomllib.loads(
    files(__package__).joinpath("numbers_published.toml").read_text(encoding="utf-8")
)


def prompts(count: int, rng: Random) -> list[str]:
    """Returns requests for up to ten more numbers, after three to eight three-digit ones."""
    return [_prompt(rng) for _ in range(count)]


def _prompt(rng: Random) -> str:
    """Draws in the published order: how many numbers to show, which ones, then the words."""
    shown = ", ".join(str(rng.choice(numbers.VALUES)) for _ in range(rng.choice(SHOWN)))
    example, limit, width, instruction, how, closing = (
        rng.choice(PARTS[part]) for part in ("examples", "limits", "widths", "instructions", "formats", "closings")
    )
    asked = instruction.format(limit=limit, n=COUNT, width=width.format(d=DIGITS))
    return " ".join((example.format(x=shown), asked, how, closing))


CARRIER = Carrier("number lists", prompts, numbers.fault)
