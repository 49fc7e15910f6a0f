"""Prices, and limits on requests and cost, which are checked before a request is sent."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import Field, TypeAdapter

from undertone.errors import UndertoneError
from undertone.reading.files import read_bytes
from undertone.reading.values import toml_value
from undertone.spec import Spec

TABLE = Path(__file__).with_name("prices.toml")
EXAMPLE = '"gpt-4o-mini" = { input = 0.15, output = 0.60 }'
GO_ON = "give the same command again: answers so far are kept."


class Price(Spec):
    """Dollars per million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    training: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Price of fine-tuning: of every token, in every epoch."""

    def of(self, read: int, written: int) -> float:
        """Dollars for ``read`` tokens of prompts and ``written`` tokens of answers."""
        return (read * self.input + written * self.output) / 1e6


class Gpu(Spec):
    """A GPU, for estimates of time and cost."""

    name: str
    flops: float = Field(gt=0)
    """Floating-point operations per second in bfloat16, as its maker states."""
    share: float = Field(gt=0, le=1)
    """Share of these that fine-tuning and sampling reach."""
    dollars: float = Field(ge=0)
    """Price of an hour."""


FREE = Price(input=0.0, output=0.0)
TUNED = "ft:"
"""Names of fine-tuned models begin with this and the base's name, as in "ft:gpt-4o-mini:"."""


def price_of(model: str) -> Price:
    """The price of a model, from the table in the package or from the file that ``UNDERTONE_PRICES`` names. All
    fine-tunes of a base share one price, under "ft:" and the base's name.

    Raises:
        UndertoneError: the model is not in the table, or the file is not a table of prices.
    """
    table, _ = _table()
    if model.startswith(TUNED) and model not in table:
        model = ":".join(model.split(":")[:2])
    if model not in table:
        raise UndertoneError(
            f"The price of {model} is not known, so its cost cannot be limited; limit the requests, or copy "
            f"{TABLE.name}, set UNDERTONE_PRICES to the copy, and add a line such as: {EXAMPLE}"
        )
    return table[model]


def gpu() -> Gpu:
    """The GPU for estimates of hours, from the user's table of prices or else from the one in the package."""
    return _table()[1]


def _table() -> tuple[dict[str, Price], Gpu]:
    path = Path(os.environ.get("UNDERTONE_PRICES") or TABLE)
    try:
        found = toml_value(read_bytes(path))
        machine = found.pop("gpu", None) or toml_value(read_bytes(TABLE))["gpu"]
        return TypeAdapter(dict[str, Price]).validate_python(found), Gpu.model_validate(machine)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UndertoneError(f"{path} is not a table of prices ({reason}); it needs lines such as: {EXAMPLE}") from None


@dataclass(frozen=True)
class Limits:
    """The most that one command may spend. Kept answers cost nothing."""

    requests: int | None = None
    """Requests sent, including repeated ones."""
    cost: float | None = None
    """Dollars."""


class Budget:
    """What has been spent of the limits, by all endpoints of a command together. The most that a request may cost is
    reserved before it is sent, and corrected afterwards."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits, self._lock = limits, Lock()
        self.counts_cost = limits.cost is not None
        """Whether the cost is limited, so that prices must be known."""
        self.requests = 0
        self.cost = 0.0
        """Dollars spent. A request whose connection broke counts with the most it may have cost."""

    def reserve(self, worst: float) -> None:
        """Counts a request and the most that it may cost (dollars).

        Raises:
            UndertoneError: it would exceed a limit.
        """
        with self._lock:
            if self._limits.requests is not None and self.requests >= self._limits.requests:
                raise UndertoneError(
                    f"{self.requests} requests have been sent, which is the limit; raise --max-requests and {GO_ON}"
                )
            if self._limits.cost is not None and self.cost + worst > self._limits.cost:
                raise UndertoneError(
                    f"${self.cost:.4g} may have been spent, and another request could exceed ${self._limits.cost:g}; "
                    f"raise --max-cost and {GO_ON}"
                )
            self.requests += 1
            self.cost += worst

    def settle(self, reserved: float, spent: float) -> None:
        """Replaces the dollars reserved for a request by those that it cost."""
        with self._lock:
            self.cost += spent - reserved
