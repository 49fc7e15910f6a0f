"""A run repeated from its folder: everything is made anew, and every artifact compared bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.planning import plan
from undertone.report import Results
from undertone.runfolder import Record, results_of
from undertone.store import Store
from undertone.trial import Watcher, run


@dataclass(frozen=True)
class Replay:
    """What came of it."""

    results: Results
    """Of the repetition."""
    same: int
    """Artifacts with the same bits."""
    differing: tuple[str, ...]
    """Names of those with other bits, or that only one of the two runs has."""
    surroundings: tuple[str, ...]
    """What else differs: versions, hardware."""


def replay(folder: Path, out: Path, watcher: Watcher | None = None, processes: int | None = None) -> Replay:
    """Repeats the finished run in ``folder``, in ``out`` with a store of its own; a stopped repetition goes on.

    Raises:
        UndertoneError: ``folder`` holds no finished run, or a base model is not the one it started from.
    """
    record, first = Record.read(folder), results_of(folder)
    if first is None or not first.complete:
        raise UndertoneError(f"{folder} holds no finished run to compare with.")
    if not first.artifacts:
        raise UndertoneError(
            f"{folder} was written before artifacts were listed in report.json: give its recipe instead."
        )
    if (earlier := results_of(out)) is not None and earlier.complete:
        raise UndertoneError(f"{out} holds a finished run already: remove it, or give another --out.")
    _refuse_other_models(record)
    results = run(record.trial, out, record.recipe, watcher, processes, Store(out / "store"))
    differing = _differing(first.artifacts, results.artifacts)
    others = _others(record.versions, results.versions) + _others(record.hardware, results.hardware)
    same = sum(first.artifacts.get(name) == content for name, content in results.artifacts.items())
    return Replay(results, same, differing, others)


def _refuse_other_models(record: Record) -> None:
    for name, key in plan(record.trial).models.items():
        if record.models.get(name) != key:
            raise UndertoneError(
                f"{name} is not the model that the run started from (its files have digest {key[:12]}, then "
                f"{record.models.get(name, 'none')[:12]}): put the old one back, or give the recipe for a new run."
            )


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in {**first, **second} if first.get(name) != second.get(name))


def _others(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {then[name]} then, {now.get(name)} now" for name in then if then[name] != now.get(name))
