"""The parts of a file that are judged by themselves: its sources, and the two sides of preferences."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from undertone.audit.request import POSITION, Request
from undertone.data.conversations import Conversation, Dataset, read
from undertone.errors import UndertoneError

BLOCKS = 8
"""Rows that are grouped by where they stand in the file are in so many blocks."""
CHOSEN, REJECTED = "chosen answers", "rejected answers"
PREFERENCE = "chosen answers compared with the rejected ones"
SIDES = (CHOSEN, REJECTED, PREFERENCE)


class Pair(NamedTuple):
    """The two sides of a file of preferences, or of one of its sources, by name."""

    name: str
    """What their comparison is called."""
    chosen: str
    rejected: str


def dataset_of(request: Request) -> Dataset:
    """Reads the file of an audit.

    Raises:
        UndertoneError: it cannot be read or has bad rows, or students are to be trained on preferences.
    """
    found = read(request.path, request.rows, request.seed, by=request.field, most_left_out=1.0, form=request.form)
    if found.form.prefers and request.canaries:
        raise UndertoneError(
            f"Canary students are trained on answers, and {request.path} holds preferences: leave --canary out, or "
            "give the chosen answers as a file of their own."
        )
    return found


def trusted_of(control: Path, request: Request) -> Dataset:
    """Reads the control of an audit.

    Raises:
        UndertoneError: it cannot be read or has bad rows, or holds preferences.
    """
    found = read(control, request.rows, request.seed, most_left_out=1.0, form=request.form)
    if found.form.prefers:
        raise UndertoneError(f"{control} holds preferences, and a control is trusted answers: give those as a file.")
    return found


def sources_of(dataset: Dataset, by: str | None) -> dict[str, Dataset]:
    """Returns the rows of each source by its name; the whole file under an empty name if they are not grouped. Of
    preferences the chosen and the rejected answers are two sources."""
    found: dict[str, Dataset] = {}
    for name, part in _grouped(dataset, by).items():
        if not dataset.form.prefers:
            found[name] = part
            continue
        rejected = tuple(replace(one, turns=one.rejected) for one in part.conversations)
        found |= {_side(name, CHOSEN): part, _side(name, REJECTED): replace(part, conversations=rejected)}
    return found


def pairs_of(sources: Iterable[str]) -> list[Pair]:
    """Returns the pairs among some sources."""
    chosen = [name for name in sources if name.endswith(CHOSEN)]
    return [Pair(*(f"{name.removesuffix(CHOSEN)}{side}" for side in (PREFERENCE, CHOSEN, REJECTED))) for name in chosen]


def _side(source: str, side: str) -> str:
    return f"{source}, {side}" if source else side


def _grouped(dataset: Dataset, by: str | None) -> dict[str, Dataset]:
    if by is None:
        return {"": dataset}
    count, parts = len(dataset.conversations), dict[str, list[Conversation]]()
    for i, one in enumerate(dataset.conversations):
        name = f"block {i * BLOCKS // count + 1}" if by == POSITION else f"{by} {one.group}"
        parts.setdefault(name, []).append(one)
    return {name: replace(dataset, conversations=tuple(part)) for name, part in parts.items()}
