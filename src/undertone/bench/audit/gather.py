"""From scores to findings: every file judged, the judgements counted, and compared with what students became."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import get_args

import numpy as np

from undertone.audit.request import EFFECT, Request
from undertone.audit.verdict import EFFECTS
from undertone.bench.audit.baselines import Called, detectors, line_of, of_audit
from undertone.bench.audit.files import USUAL, File, by_kind
from undertone.bench.audit.findings import (
    AuditBenchmarkFindings,
    FileFinding,
    Group,
    KindFinding,
    Moved,
    Predicted,
    SourcesFinding,
    Spread,
)
from undertone.bench.audit.judge import Judge, Judged, counted, rate
from undertone.bench.audit.outcome import shift_of
from undertone.bench.audit.plan import Plan
from undertone.bench.audit.scoring import read_scores
from undertone.bench.audit.spec import AuditBenchmark
from undertone.engine.store import Store
from undertone.experiments.kind import Made
from undertone.report.findings import Measured
from undertone.statistics.estimate import mean_estimate

ALPHA: float = Request.model_fields["alpha"].default
RANGES = ((0.8, 1.01), (0.5, 0.8), (0.2, 0.5), (0.0, 0.2))
"""Ranges of predicted power in which the observed share is counted, the first of which "no evidence" rests on."""
SOURCES = 10
"""Sources of a file that is audited source by source."""
TWICE = 2.0
"""A trait whose z varies this many times as much as the median of its family is flagged."""


def gather(spec: AuditBenchmark, plan: Plan, made: Made) -> AuditBenchmarkFindings:
    """Judges every file and counts. Scores are read one file at a time."""
    judge = Judge(plan.families, ALPHA, EFFECT)
    simple = detectors(judge) if spec.baselines else {}
    whole, half, tenth, rows = list[Judged](), list[Judged](), list[Judged](), list[int]()
    called: dict[str, list[Called]] = {name: [] for name in simple}
    for file in plan.files:
        scores = read_scores(made.store, file.scores)
        whole.append(judge.judged(file, scores))
        half.append(judge.judged(file, scores.half()))
        tenth.append(judge.judged(file, scores, SOURCES))
        rows.append(scores.rows)
        for name, detector in simple.items():
            called[name].append(detector(file, scores))
    shifts = net_shifts(made.store, plan.files)
    stretches = [stretch_of(made.store, file) for file in plan.files]
    files = [
        finding_of(one, size, stretch, shifts.get(one.file.made.key))
        for one, size, stretch in zip(whole, rows, stretches, strict=True)
    ]
    lines = [line_of("the audit", list(map(of_audit, whole)))] if simple else []
    return AuditBenchmarkFindings(
        **made.head(),
        models=plan.models,
        alpha=judge.alpha,
        effect=judge.effect,
        kinds={kind: counted([one for one in whole if one.file.kind == kind]) for kind in by_kind(plan.files)},
        groups=grouped(whole),
        halves=grouped(half),
        sources=sources(tenth),
        predicted=tuple(predictions(whole, stretches)),
        moved=tuple(movements(files)),
        spreads=tuple(spreads(whole)),
        lines=(*lines, *(line_of(name, some) for name, some in called.items())),
        files=tuple(files),
    )


def grouped(some: Sequence[Judged]) -> dict[str, KindFinding]:
    """Counts the files of each group."""
    groups = ((group, [one for one in some if one.file.group == group]) for group in get_args(Group))
    return {group: counted(members) for group, members in groups if members}


def sources(some: Sequence[Judged]) -> SourcesFinding:
    """Counts files of ten sources: a carrier and nine harmless ones, or ten harmless ones by lot, none of them twice.
    Sources are judged by themselves, so that a harmless one changes nothing for another."""
    harmless = [one for one in some if not one.file.trait and not one.file.without]
    Random("sources").shuffle(harmless)
    tens = [harmless[i : i + SOURCES] for i in range(0, len(harmless) - SOURCES + 1, SOURCES)]
    return SourcesFinding(
        own=rate(one.file.trait in one.found for one in some if one.file.kind == USUAL),
        alarms=rate(any(one.found for one in ten) for ten in tens),
    )


# --- files -----------------------------------------------------------------------------------------------------------


def finding_of(one: Judged, rows: int, stretch: float | None, shift: Mapping[str, float] | None) -> FileFinding:
    """Returns what is kept of a judgement."""
    listed = [trait for family in one.families for trait in family.traits if trait.listed]
    followed = {one.file.trait, *one.named} - {None} or {max(listed, key=lambda t: t.z).name if listed else None}
    return FileFinding(
        kind=one.file.kind,
        group=one.file.group,
        trait=one.file.trait,
        without=one.file.without,
        rows=rows,
        verdict=one.verdict,
        found=one.found,
        named=tuple(name for name in one.found if name in one.named),
        margin=one.margin if np.isfinite(one.margin) else None,
        power={family.name: family.power for family in one.families},
        unjudged={family.name: family.unjudged for family in one.families if family.unjudged},
        stretch=stretch,
        shift=shift and {name: shift[name] for name in sorted(filter(None, followed))},
    )


def stretch_of(store: Store, file: File) -> float | None:
    """Returns the factor by which the teacher's adapter was multiplied, if it can be compared with the twins'."""
    return None if file.share is None else float(store.read(file.made, "specimen.json")["doses"][0]["factor"])


def net_shifts(store: Store, files: Sequence[File]) -> dict[str, dict[str, float]]:
    """Returns the shift of every trait in the student of each file that has one, less the mean of the students of
    other harmless files whose teachers have no trait, listed or not; by the key of the file's rows. Empty if there are
    not two of them."""
    shifts = {file.made.key: shift_of(store, file.student) for file in files if file.student}
    harmless = [file.made.key for file in files if file.student and not file.trait and not file.without]
    if len(harmless) < 2:
        return {}
    return {
        key: {
            trait: own - float(np.mean([shifts[other][trait] for other in harmless if other != key]))
            for trait, own in shift.items()
        }
        for key, shift in shifts.items()
    }


# --- what is told of many files --------------------------------------------------------------------------------------


def predictions(some: Sequence[Judged], stretches: Sequence[float | None]) -> Iterator[Predicted]:
    """Yields for each kind of carriers, and by the range of the prediction, the power that is predicted from harmless
    fine-tunes, beside the share that was found. Files whose teacher's stretch says nothing, and those that
    cannot be judged, are left out."""
    curves = _curves([one for one in some if one.file.group == "harmless fine-tunes" and one.file.without is None])
    found = []
    for one, stretch in zip(some, stretches, strict=True):
        reference = next((family.stretch for family in one.families if family.name == one.home), None)
        if stretch is not None and reference and one.home in curves:
            effect = stretch / reference * (one.file.share or 0)
            power = float(np.interp(effect, [0.0, *EFFECTS], [0.0, *curves[one.home]]))
            found.append((one.file.kind, effect, power, one.file.trait in one.found))
    parts = {kind: [row for row in found if row[0] == kind] for kind, *_ in found}
    parts |= {_range(low, high): [row for row in found if low <= row[2] < high] for low, high in RANGES}
    for what, rows in parts.items():
        if rows:
            _, effects, powers, hits = zip(*rows, strict=True)
            yield Predicted(
                what=what, effect=float(np.mean(effects)), power=float(np.mean(powers)), observed=rate(hits)
            )


def _range(low: float, high: float) -> str:
    return f"predicted {low:.0%} or more" if high > 1 else f"predicted {low:.0%} to {high:.0%}"


def _curves(some: Sequence[Judged]) -> dict[str, np.ndarray]:
    """Returns the mean power of each family over files in which it was judged, (effects,)."""
    curves: dict[str, list[list[float]]] = {}
    for family in (family for one in some for family in one.families if family.curve):
        curves.setdefault(family.name, []).append([power for _, power in family.curve])
    return {name: np.mean(each, axis=0) for name, each in curves.items()}


def movements(files: Sequence[FileFinding]) -> Iterator[Moved]:
    """Yields how far students moved to the trait that their file carries, found or not; to listed traits that were
    found in harmless files; and to the strongest listed trait of harmless files without an alarm."""
    followed = [file for file in files if file.shift]
    carriers, harmless = ([file for file in followed if bool(file.trait) == carry] for carry in (True, False))
    own = {hit: [file for file in carriers if (file.trait in file.found) == hit] for hit in (True, False)}
    parts = {
        "carriers, own trait found": [(file.shift or {})[file.trait or ""] for file in own[True]],
        "carriers, own trait not found": [(file.shift or {})[file.trait or ""] for file in own[False]],
        "harmless, a listed trait found": [_mean(file.shift) for file in harmless if file.named],
        "harmless, nothing found": [_mean(file.shift) for file in harmless if not file.found],
    }
    for what, shifts in parts.items():
        if len(shifts) > 1:
            yield Moved(what=what, shift=Measured.of(mean_estimate([[shift] for shift in shifts])))


def _mean(shift: Mapping[str, float] | None) -> float:
    return float(np.mean(list((shift or {}).values())))


def spreads(some: Sequence[Judged]) -> Iterator[Spread]:
    """Yields how much the z of each trait varies over harmless files, the most variable first."""
    z: dict[tuple[str, str], list[float]] = {}
    for compared in (family for one in some if not one.file.trait for family in one.families):
        for each in compared.traits:
            z.setdefault((compared.name, each.name), []).append(each.z)
    return flagged({key: (float(np.var(values, ddof=1)), len(values)) for key, values in z.items() if len(values) > 1})


def flagged(variances: Mapping[tuple[str, str], tuple[float, int]]) -> Iterator[Spread]:
    """Yields what is kept of variances and numbers of files, by family and trait, the most variable first."""
    for (family, trait), (variance, files) in sorted(variances.items(), key=lambda item: -item[1][0]):
        usual = np.median([other for (name, _), (other, _) in variances.items() if name == family])
        yield Spread(family=family, trait=trait, variance=variance, files=files, flagged=bool(variance > TWICE * usual))
