"""The carriers: what teachers write. Each carrier is one module of this folder, listed here by its name."""

from undertone.carriers import answers, code, numbers, numbers_published, paraphrase, reasoning
from undertone.carriers.carrier import Carrier
from undertone.errors import unknown

CARRIERS: dict[str, Carrier] = {
    "numbers": numbers.CARRIER,
    "numbers-published": numbers_published.CARRIER,
    "code": code.CARRIER,
    "reasoning": reasoning.CARRIER,
    "paraphrase": paraphrase.CARRIER,
    "answers": answers.CARRIER,
}


def find(name: str) -> Carrier:
    """Returns the carrier of this name.

    Raises:
        UndertoneError: there is none; suggests the nearest names.
    """
    if name not in CARRIERS:
        raise unknown("carrier", name, CARRIERS)
    return CARRIERS[name]
