"""Repeats a finished run in a new store and compares all artifacts bit by bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from undertone.engine.executor import Executor
from undertone.engine.folder import FILE, Record
from undertone.engine.progress import Watcher
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import kind_of
from undertone.experiments.run import inputs_of, run, spec_in
from undertone.models.services.spending import Limits
from undertone.report.findings import Findings


@dataclass(frozen=True)
class Replay:
    """The result of a repetition."""

    findings: Findings
    said: str
    """Its headline."""
    same: int
    """How many artifacts have the same bits as the run's."""
    differing: tuple[str, ...]
    """Names of artifacts that differ, or that only one of the two runs has."""
    surroundings: tuple[str, ...]
    """Sentences about other versions and hardware."""


def replay(
    folder: Path,
    out: Path,
    watcher: Watcher | None = None,
    executor: Executor | None = None,
    limits: Limits | None = None,
) -> Replay:
    """Repeats the finished run of ``folder`` in the folder ``out``, with a store of its own. A repetition that was
    stopped continues.

    Raises:
        UndertoneError: ``folder`` holds no finished run, or a model or file has changed since.
    """
    first = Record.read(folder)
    if not first.finished:
        raise UndertoneError(f"{folder} holds no finished run to compare with.")
    if (out / FILE).is_file() and Record.read(out).finished:
        raise UndertoneError(f"{out} holds a finished run already: remove it, or give another --out.")
    spec = spec_in(first, folder)
    _refuse_other_models(first, inputs_of(kind_of(first.kind).plan(spec)))
    findings = run(spec, out, first.recipe, watcher, executor, Store(out / "store"), limits)
    again = Record.read(out)
    same = sum(first.artifacts.get(name) == content for name, content in again.artifacts.items())
    others = _others(first.versions, again.versions) + _others(first.hardware, again.hardware)
    return Replay(findings, again.said, same, _differing(first.artifacts, again.artifacts), others)


def _refuse_other_models(record: Record, models: Mapping[str, str]) -> None:
    for name, key in models.items():
        if record.models.get(name) != key:
            raise UndertoneError(
                f"{name} is not what the run started from (its files have digest {key[:12]}, then "
                f"{record.models.get(name, 'none')[:12]}): put the old one back, or give the recipe for a new run."
            )


def _differing(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in {**first, **second} if first.get(name) != second.get(name))


def _others(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {then[name]} then, {now.get(name)} now" for name in then if then[name] != now.get(name))
