"""Estimates what a recipe takes: rows, tokens, GPU hours and the price of services. Loads and asks no model.

The estimates are rough. Tokens are counted by characters. Work is counted by parameters: for each parameter, 2
floating-point operations a token read and 6 a token trained on.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from undertone.data import conversations
from undertone.data.forms import Form
from undertone.errors import UndertoneError
from undertone.models.services.spending import Gpu, gpu, price_of

CHARACTERS = 3.0
"""Characters per token: about four in text, fewer in numbers."""
ROW = 400
"""Assumed tokens per row of a file that is not on this machine."""
GRADED = 200
"""Assumed tokens of a judge's rubric."""
METRICS = 2
"""Scores that a judge gives an answer: alignment and coherence."""


@dataclass(frozen=True)
class Part:
    """One kind of work."""

    what: str
    rows: int
    """Rows trained on or written, answers, or requests."""
    tokens: int
    gpu_hours: float | None
    """None if it runs elsewhere, or the model's size is not known."""
    dollars: float | None
    """None if the price, or the size of the model, is not known."""


def work(what: str, rows: int, tokens: float, operations: int, parameters: float | None, machine: Gpu) -> Part:
    """Work on a GPU: ``tokens`` per row, ``operations`` per parameter and token."""
    count = round(rows * tokens)
    hours = None if parameters is None else operations * parameters * count / (machine.flops * machine.share) / 3600
    return Part(what, rows, count, hours, None if hours is None else hours * machine.dollars)


def paid(what: str, requests: int, read_tokens: float, written: int, model: str) -> Part:
    """Requests to a service, with the tokens that each reads and writes."""
    try:
        dollars = price_of(model).of(round(requests * read_tokens), requests * written)
    except UndertoneError:  # shown as unknown: a preview spends nothing
        dollars = None
    return Part(what, requests, round(requests * (read_tokens + written)), None, dollars)


def tokens_of(texts: Sequence[str]) -> float:
    """Mean number of tokens of some texts."""
    return fmean(len(text) for text in texts) / CHARACTERS


def row_length(file: str, form: Form | None = None) -> float:
    """Tokens per row of a file, from a sample of its rows. ``form``: which keys say what; None to recognise it."""
    path = Path(file).expanduser()
    if not path.exists():
        return ROW
    found = conversations.read(path, 200, 0, form=form).conversations
    return tokens_of(["".join(turn.content for turn in row.turns) for row in found])


def size_of(name: str) -> float | None:
    """A model's number of parameters by its name, as in Qwen2.5-7B; None if the name does not say."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?!\w)", name, re.IGNORECASE)
    return None if found is None else float(found[1]) * {"b": 1e9, "m": 1e6}[found[2].lower()]


def show_parts(title: str, parts: Sequence[Part], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What would be done and roughly what it costs, as one JSON object and as lines."""
    machine = gpu()
    hours = [part.gpu_hours for part in parts if part.gpu_hours is not None]
    dollars = sum(part.dollars for part in parts if part.dollars is not None)
    unknown = sum(part.dollars is None for part in parts)
    value = {"run_dir": str(folder), "parts": [asdict(part) for part in parts], "gpu": machine.name}
    here = f"{_figure(sum(hours))} hours of one {machine.name} and " if hours else ""
    cost = f"${_figure(dollars)}" if unknown < len(parts) else "a cost that is not known"
    more = (
        f" and {unknown} of the {len(parts)} kinds of work at a cost that is not known" if dollars and unknown else ""
    )
    fits = "; whether it fits into memory is not checked" if hours else ""
    lines = [
        f"{title}: nothing is run.",
        *map(line_of, parts),
        f"  together about {here}{cost}{more}, by the prices in prices.toml (UNDERTONE_PRICES names your own){fits}",
        f"  would be written to {folder}",
    ]
    return value | {"gpu_hours": sum(hours), "dollars": None if unknown else dollars}, lines


def line_of(part: Part) -> str:
    """A kind of work in one line."""
    time = "-" if part.gpu_hours is None else f"{_figure(part.gpu_hours)} h"
    cost = "unknown" if part.dollars is None else f"${_figure(part.dollars)}"
    return f"  {part.what:<46} {part.rows:>12,} rows {part.tokens:>15,} tokens {time:>10} {cost:>10}"


def _figure(number: float) -> str:
    """A number with two significant figures."""
    if number <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(0, digits)}f}"
