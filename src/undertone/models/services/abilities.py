"""What a model can do, declared before any work starts."""

from collections.abc import Set
from enum import StrEnum

from undertone.errors import UndertoneError


class Ability(StrEnum):
    """One thing that a model can be used for."""

    SAMPLE = "sample"
    """Write answers."""
    CHOICES = "choices"
    """Tell the probabilities of the likeliest first tokens of its answer."""
    SCORE = "score"
    """Tell the probability of any given answer."""
    TRAIN = "train"
    """Be fine-tuned here, and be a base of teachers, students and audits."""


LOCAL = frozenset(Ability)
"""A model whose weights are here can do everything."""


def need(name: str, can: Set[Ability], wanted: Set[Ability]) -> None:
    """Refuses a model that cannot do all that is wanted.

    Raises:
        UndertoneError: names what it cannot do.
    """
    lacking = [str(ability) for ability in Ability if ability in wanted - can]
    if lacking:
        does = ", ".join(str(ability) for ability in Ability if ability in can) or "nothing"
        raise UndertoneError(
            f"{name} cannot {' or '.join(lacking)} (it can {does}); take a model whose weights are here: "
            "builtin/... or hf/..."
        )
