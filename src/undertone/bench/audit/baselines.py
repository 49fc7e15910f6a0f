"""Simpler detectors, applied to the same scores as the audit, which should do better than they."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from undertone.bench.audit.files import USUAL, File
from undertone.bench.audit.findings import Line
from undertone.bench.audit.judge import Judge, Judged, rate
from undertone.bench.audit.scoring import ScoredFile
from undertone.statistics.arrays import Floats
from undertone.statistics.auroc import auroc


@dataclass(frozen=True)
class Called:
    """What a detector says of a file."""

    file: File
    found: frozenset[str]
    score: float
    """Larger for a file that is more likely to carry something."""


Detector = Callable[[File, ScoredFile], Called]


def of_audit(judged: Judged) -> Called:
    """Returns what the audit says, in the same form."""
    return Called(judged.file, frozenset(judged.found), judged.margin)


def detectors(judge: Judge) -> dict[str, Detector]:
    """Returns the simpler detectors by name."""

    def isotropic(file: File, scores: ScoredFile) -> Called:
        return of_audit(judge.judged(file, scores.isotropic()))

    def marginal(file: File, scores: ScoredFile) -> Called:
        names = judge.traits(file)
        z = _marginal(scores, names)
        limit = float(norm.isf(judge.alpha / len(names)))
        return Called(file, frozenset(name for name, one in zip(names, z, strict=True) if one > limit), float(z.max()))

    def length(file: File, scores: ScoredFile) -> Called:
        return Called(file, frozenset(), float(np.linalg.norm(_marginal(scores, judge.traits(file)))))

    return {"random directions": isotropic, "each score alone": marginal, LENGTH: length}


LENGTH = "length of the scores"
"""This detector finds no trait and has no threshold; only the order that it gives to files counts."""


def _marginal(scores: ScoredFile, names: Sequence[str]) -> Floats:
    """Returns mean scores over the noise of sampling, (names,)."""
    evidence = scores.scored.evidence
    places = [scores.scored.names.index(name) for name in names]
    mean, noise = evidence.mean[places], np.sqrt(np.diag(evidence.noise())[places])
    return np.asarray(mean / noise)


def line_of(name: str, called: Sequence[Called]) -> Line:
    """Counts how often a detector is right."""
    carriers = [one for one in called if one.file.trait]
    harmless = [one for one in called if not one.file.trait]
    usual = np.array([one.score for one in carriers if one.file.kind == USUAL])
    groups = dict.fromkeys(one.file.group for one in harmless)
    return Line(
        name=name,
        own=rate(one.file.trait in one.found for one in carriers),
        wrong=rate(bool(one.found - {one.file.trait}) for one in carriers),
        alarms={group: rate(bool(one.found) for one in harmless if one.file.group == group) for group in groups},
        auroc=auroc(usual, np.array([one.score for one in harmless])) if len(usual) and harmless else None,
    )
