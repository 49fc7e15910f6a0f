"""Pools the reports of a benchmark of the audit that was run in parts, each with files of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from undertone.bench.audit.findings import (
    AuditBenchmarkFindings,
    KindFinding,
    Line,
    Predicted,
    SourcesFinding,
    Spread,
)
from undertone.bench.audit.gather import flagged, movements
from undertone.errors import UndertoneError
from undertone.statistics.rate import Rate

OWN = ("files", "first")
"""The settings in which parts may differ."""


def pooled(parts: Sequence[AuditBenchmarkFindings]) -> AuditBenchmarkFindings:
    """Returns the findings of all files together. Counts are added up, and variances within parts are pooled; a shift
    stays relative to the students of its own part's harmless files, and an AUROC compares files of one part alone.

    Raises:
        UndertoneError: files are missing between two parts or are in both, or parts differ in model, settings or code.
    """
    parts = sorted(parts, key=lambda part: numbers(part).start)
    first = parts[0]
    for one, other in pairwise(parts):
        if numbers(one).stop != numbers(other).start:
            raise UndertoneError(
                f"A part ends before file {numbers(one).stop}, and the next begins at {numbers(other).start}: run "
                "them with --first and --files so that each begins where another ends."
            )
        if (what := difference(one, other)) is not None:
            raise UndertoneError(f"The parts from {numbers(one).start} and {numbers(other).start} on differ in {what}.")
    files = tuple(chain.from_iterable(part.files for part in parts))
    return first.model_copy(
        update={
            "settings": first.settings | {"files": sum(len(numbers(part)) for part in parts)},
            "wall_s": sum(part.wall_s for part in parts),
            "kinds": by_name([part.kinds for part in parts]),
            "groups": by_name([part.groups for part in parts]),
            "halves": by_name([part.halves for part in parts]),
            "sources": SourcesFinding(
                own=added(part.sources.own for part in parts), alarms=added(part.sources.alarms for part in parts)
            ),
            "predicted": tuple(predictions(chain.from_iterable(part.predicted for part in parts))),
            "moved": tuple(movements(files)),
            "spreads": tuple(spreads(chain.from_iterable(part.spreads for part in parts))),
            "lines": tuple(lines([part.lines for part in parts])),
            "files": files,
        }
    )


def numbers(part: AuditBenchmarkFindings) -> range:
    """Returns the numbers of the files of a part."""
    first, count = (int(str(part.settings[name])) for name in ("first", "files"))
    return range(first, first + count)


def difference(one: AuditBenchmarkFindings, other: AuditBenchmarkFindings) -> str | None:
    """Returns in what two parts differ; None if they can be pooled."""
    compared: dict[str, tuple[Any, Any]] = {
        name: (getattr(one, name), getattr(other, name)) for name in ("models", "alpha", "effect", "commit")
    }
    names = {*one.settings, *other.settings} - {*OWN}
    compared |= {name: (one.settings.get(name), other.settings.get(name)) for name in sorted(names)}
    return next((name for name, (a, b) in compared.items() if a != b), None)


def added(rates: Iterable[Rate]) -> Rate:
    """Returns the share over all units."""
    each = list(rates)
    return Rate(sum(rate.count for rate in each), sum(rate.of for rate in each))


def added_by_name(tables: Iterable[Mapping[str, Rate]]) -> dict[str, Rate]:
    """Returns the shares over all units, each by its name."""
    each = list(tables)
    return {name: added(table[name] for table in each if name in table) for name in dict.fromkeys(chain(*each))}


def by_name(tables: Sequence[Mapping[str, KindFinding]]) -> dict[str, KindFinding]:
    """Returns what is said of the files of each kind, or group, in all parts."""
    return {name: counted([table[name] for table in tables if name in table]) for name in dict.fromkeys(chain(*tables))}


def counted(some: Sequence[KindFinding]) -> KindFinding:
    """Returns what is said of the files of one kind in all parts."""
    return KindFinding(
        group=some[0].group,
        own=added(one.own for one in some),
        own_of=added_by_name(one.own_of for one in some),
        wrong=added(one.wrong for one in some),
        named=added(one.named for one in some),
        inconclusive=added(one.inconclusive for one in some),
        lacking=added_by_name(one.lacking for one in some),
    )


def predictions(some: Iterable[Predicted]) -> Iterator[Predicted]:
    """Yields predicted and observed power; a part counts by its files."""
    by_what: dict[str, list[Predicted]] = {}
    for one in some:
        by_what.setdefault(one.what, []).append(one)
    for what, each in by_what.items():
        weights = [one.observed.of for one in each]
        yield Predicted(
            what=what,
            effect=float(np.average([one.effect for one in each], weights=weights)),
            power=float(np.average([one.power for one in each], weights=weights)),
            observed=added(one.observed for one in each),
        )


def spreads(some: Iterable[Spread]) -> Iterator[Spread]:
    """Yields the variance of each trait within parts."""
    by_trait: dict[tuple[str, str], list[Spread]] = {}
    for one in some:
        by_trait.setdefault((one.family, one.trait), []).append(one)
    return flagged(
        {
            key: (
                float(np.average([one.variance for one in each], weights=[one.files - 1 for one in each])),
                sum(one.files for one in each),
            )
            for key, each in by_trait.items()
        }
    )


def lines(parts: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """Yields how often each detector is right. An AUROC counts by the pairs of files that it compares."""
    for name in dict.fromkeys(line.name for part in parts for line in part):
        each = [line for part in parts for line in part if line.name == name]
        aurocs = [line.auroc for line in each if line.auroc is not None]
        yield Line(
            name=name,
            own=added(line.own for line in each),
            wrong=added(line.wrong for line in each),
            alarms=added_by_name(line.alarms for line in each),
            auroc=float(np.mean(aurocs)) if aurocs else None,
        )
