"""What may be spent on an endpoint: requests and money, counted before a request goes out, never after."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from undertone.errors import UndertoneError

TABLE = Path(__file__).with_name("prices.toml")


class Price(BaseModel):
    """Dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, read: int, written: int) -> float:
        """Dollars for ``read`` tokens of prompt and ``written`` tokens of answer."""
        return (read * self.input + written * self.output) / 1e6


def price_of(model: str) -> Price:
    """The price of a model, by the table that ships, or by the one that ``UNDERTONE_PRICES`` names.

    Raises:
        UndertoneError: the table has no such model, or is none.
    """
    path = Path(os.environ.get("UNDERTONE_PRICES") or TABLE)
    try:
        table = TypeAdapter(dict[str, Price]).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        told = str(error).splitlines()[0]
        raise UndertoneError(f"{path} is no table of prices ({told}); it holds lines such as: {EXAMPLE}") from None
    if model not in table:
        raise UndertoneError(
            f"What {model} costs is not known, so its cost cannot be limited; limit the requests, or add to a copy of "
            f"{TABLE.name} that UNDERTONE_PRICES names: {EXAMPLE}"
        )
    return table[model]


EXAMPLE = '"gpt-4o-mini" = { input = 0.15, output = 0.60 }'


@dataclass(frozen=True)
class Limits:
    """The most that may be spent by one command; answers that were kept cost nothing."""

    requests: int | None = None
    """Requests sent, repeated ones included."""
    cost: float | None = None
    """Dollars."""


class Budget:
    """What is left of the limits. An amount is set aside before a request goes out and settled afterwards."""

    def __init__(self, limits: Limits, price: Price | None) -> None:
        self._limits, self._price, self._lock = limits, price, Lock()
        self.requests = 0
        self.cost = 0.0
        """Dollars spent; of a request that broke off, the most that it may have cost."""

    def reserve(self, read: int, written: int) -> float:
        """Sets aside the most that a request may cost: dollars.

        Raises:
            UndertoneError: a limit would be passed.
        """
        worst = self._price.of(read, written) if self._price else 0.0
        with self._lock:
            if self._limits.requests is not None and self.requests >= self._limits.requests:
                raise self._spent(f"{self.requests} requests are sent, and no more are allowed; raise --max-requests")
            if self._limits.cost is not None and self.cost + worst > self._limits.cost:
                raise self._spent(
                    f"${self.cost:.4g} may be spent, and one request more could pass ${self._limits.cost:g}; raise "
                    "--max-cost"
                )
            self.requests += 1
            self.cost += worst
        return worst

    def settle(self, reserved: float, read: int, written: int) -> None:
        """Puts what a request took in the place of what was set aside for it."""
        with self._lock:
            self.cost += (self._price.of(read, written) if self._price else 0.0) - reserved

    @staticmethod
    def _spent(what: str) -> UndertoneError:
        return UndertoneError(f"{what} and give the same command again: answers so far are kept.")
