"""What a recipe of a real model takes: rows, tokens, GPU hours, what services are paid. Nothing is loaded or asked.

All of it is rough: tokens are counted by characters, and work by parameters: 2 floating-point operations a parameter
and token read, 6 a token trained on.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from undertone.data import conversations
from undertone.errors import UndertoneError
from undertone.models.services.spending import Gpu, gpu, price_of

CHARACTERS = 3.0
"""Of a token: text has about four, numbers fewer."""
ROW = 400
"""Tokens of a file's row where the file is not here."""
GRADED = 200
"""Tokens of a judge's rubric."""
METRICS = 2


@dataclass(frozen=True)
class Part:
    """One kind of work."""

    what: str
    rows: int
    """Rows trained on or written, answers, or requests."""
    tokens: int
    gpu_hours: float | None
    """None where it is not done here, or where nobody knows the model's size."""
    dollars: float | None
    """None where nothing is paid, or the price is not known."""


def work(what: str, rows: int, tokens: float, operations: int, parameters: float | None, machine: Gpu) -> Part:
    """Work on a GPU: ``tokens`` a row, ``operations`` a parameter and token."""
    count = round(rows * tokens)
    hours = None if parameters is None else operations * parameters * count / (machine.flops * machine.share) / 3600
    return Part(what, rows, count, hours, None if hours is None else hours * machine.dollars)


def paid(what: str, requests: int, read_tokens: float, written: int, model: str) -> Part:
    """Requests to a service, by its prices: tokens read and tokens written a request."""
    try:
        dollars = price_of(model).of(round(requests * read_tokens), requests * written)
    except UndertoneError:  # said as unknown: nothing is spent by a preview
        dollars = None
    return Part(what, requests, round(requests * (read_tokens + written)), None, dollars)


def tokens_of(texts: Sequence[str]) -> float:
    """Tokens of a text, the mean of some."""
    return fmean(len(text) for text in texts) / CHARACTERS


def row_length(file: str) -> float:
    """Tokens of a row of a file, by its first rows."""
    path = Path(file).expanduser()
    if not path.exists():
        return ROW
    found = conversations.read(path, 200, 0).conversations
    return tokens_of(["".join(turn.content for turn in row.turns) for row in found])


def size_of(name: str) -> float | None:
    """A model's parameters by its name, as in Qwen2.5-7B; None where it does not say."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?!\w)", name, re.IGNORECASE)
    return None if found is None else float(found[1]) * {"b": 1e9, "m": 1e6}[found[2].lower()]


def show_parts(title: str, parts: Sequence[Part], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What would be done and roughly what it costs: as one JSON object, and in lines."""
    machine = gpu()
    hours = [part.gpu_hours for part in parts if part.gpu_hours is not None]
    dollars = [part.dollars for part in parts if part.dollars is not None]
    told = {"run_dir": str(folder), "parts": [asdict(part) for part in parts], "gpu": machine.name}
    here = f"{_figure(sum(hours))} hours of one {machine.name} and " if hours else ""
    fits = "; whether it fits into memory is not looked at" if hours else ""
    lines = [
        f"{title}: nothing is run.",
        *map(_line, parts),
        f"  together about {here}${_figure(sum(dollars))}, by the prices in prices.toml (UNDERTONE_PRICES names your "
        f"own){fits}",
        f"  would be written to {folder}",
    ]
    return told | {"gpu_hours": sum(hours), "dollars": sum(dollars)}, lines


def _line(part: Part) -> str:
    time = "-" if part.gpu_hours is None else f"{_figure(part.gpu_hours)} h"
    cost = "unknown" if part.dollars is None else f"${_figure(part.dollars)}"
    return f"  {part.what:<46} {part.rows:>12,} rows {part.tokens:>15,} tokens {time:>10} {cost:>10}"


def _figure(number: float) -> str:
    """Two figures, however large."""
    if number <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(number)))
    return f"{round(number, 1 - math.floor(math.log10(number))):,.{digits}f}"
