"""What may be spent on an endpoint: requests and money, counted before a request goes out, never after."""

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
    training: float | None = Field(None, ge=0)
    """Of a fine-tuned model: for each token that it is trained on, in every epoch."""

    def of(self, read: int, written: int) -> float:
        """Dollars for ``read`` tokens of prompt and ``written`` tokens of answer."""
        return (read * self.input + written * self.output) / 1e6


class Gpu(BaseModel):
    """A GPU, for estimates of time and cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    flops: float = Field(gt=0)
    """Floating-point operations a second in bfloat16, as its maker says."""
    share: float = Field(gt=0, le=1)
    """Of these that fine-tuning and sampling reach."""
    dollars: float = Field(ge=0)
    """An hour."""


FREE = Price(input=0.0, output=0.0)
TUNED = "ft:"
"""Names of models that a service fine-tuned begin so, and go on with the base's name, as in "ft:gpt-4o-mini:"."""


def price_of(model: str) -> Price:
    """The price of a model, by the table that ships, or by the one that ``UNDERTONE_PRICES`` names. All fine-tunes of a
    base have one, under "ft:" and the base's name.

    Raises:
        UndertoneError: the table has no such model, or is none.
    """
    table, _ = _table()
    if model.startswith(TUNED) and model not in table:
        model = ":".join(model.split(":")[:2])
    if model not in table:
        raise UndertoneError(
            f"What {model} costs is not known, so its cost cannot be limited; limit the requests, or add to a copy of "
            f"{TABLE.name} that UNDERTONE_PRICES names: {EXAMPLE}"
        )
    return table[model]


def gpu() -> Gpu:
    """The GPU that hours are told in, by the same table; the one that ships, where the user's names none."""
    return _table()[1]


def _table() -> tuple[dict[str, Price], Gpu]:
    path = Path(os.environ.get("UNDERTONE_PRICES") or TABLE)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        machine = found.pop("gpu", None) or tomllib.loads(TABLE.read_text(encoding="utf-8"))["gpu"]
        return TypeAdapter(dict[str, Price]).validate_python(found), Gpu.model_validate(machine)
    except (OSError, ValueError, ValidationError) as error:
        told = str(error).splitlines()[0]
        raise UndertoneError(f"{path} is no table of prices ({told}); it holds lines such as: {EXAMPLE}") from None


EXAMPLE = '"gpt-4o-mini" = { input = 0.15, output = 0.60 }'


@dataclass(frozen=True)
class Limits:
    """The most that may be spent by one command; answers that were kept cost nothing."""

    requests: int | None = None
    """Requests sent, repeated ones included."""
    cost: float | None = None
    """Dollars."""


class Budget:
    """What is left of the limits, for all endpoints of a command together. An amount is set aside before a request goes
    out and settled afterwards."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, Lock()
        self.requests = 0
        self.cost = 0.0
        """Dollars spent; of a request that broke off, the most that it may have cost."""

    @property
    def counts_cost(self) -> bool:
        """Whether the dollars are limited, so that prices must be known."""
        return self._limits.cost is not None

    def reserve(self, worst: float) -> None:
        """Sets aside the most that a request may cost: dollars.

        Raises:
            UndertoneError: a limit would be passed.
        """
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

    def settle(self, reserved: float, spent: float) -> None:
        """Puts what a request took (dollars) in the place of what was set aside for it."""
        with self._lock:
            self.cost += spent - reserved

    @staticmethod
    def _spent(what: str) -> UndertoneError:
        return UndertoneError(f"{what} and give the same command again: answers so far are kept.")
