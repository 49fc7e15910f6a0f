"""What verbs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.models.spending import Limits

Flag = Annotated[bool, Parameter(negative=())]


def limits_of(cost: float | None, requests: int | None) -> Limits:
    """The limits on what services may cost, as they are given.

    Raises:
        UndertoneError: one is below 0.
    """
    from undertone.models.spending import Limits

    for name, number in (("--max-cost", cost), ("--max-requests", requests)):
        if number is not None and not number >= 0:
            raise UndertoneError(f"{name} must not be below 0, and is {number:g}.")
    return Limits(requests=requests, cost=cost)
