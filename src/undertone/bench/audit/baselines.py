"""Simpler detectors on the benchmark's own files: what the audit has to beat.

Each sees a file as a few numbers and gives every candidate a score: how often its words occur; where the format, or the
counts of tokens, lie between the trait's reference teachers and harmless ones; how much likelier a system prompt that
states the trait makes the answers. All are judged alike, and like the audit: the score over its spread among
harmless teachers, the largest over candidates against the same null population, at the same alpha.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from undertone.audit.calibrate import Plan
from undertone.audit.format import features
from undertone.audit.stages import without_mentions
from undertone.audit.verdict import FOLDS, parts_of, threshold_of
from undertone.bench.audit.judge import AS_PROXIES, OVERT, WORDS, Planted, rate, unlisted
from undertone.engine.store import Job, Store
from undertone.stages import PROMPTED
from undertone.statistics.arrays import Floats
from undertone.statistics.rate import Rate
from undertone.traits.catalogue import shipped
from undertone.traits.lessons import TRAITS, statements

PROMPTED_ROWS, PROMPTED_TEACHERS = 100, 3
"""Rows of a file, and teachers of a kind, whose prompt score is taken: it costs a forward pass for every candidate."""
PROMPTED_MEMBERS = 5
"""Members of each harmless lesson, and sets of rows by the base, that judge prompt scores; and one of each trait."""
SHRUNK = 0.5
"""Share of a discriminant's covariance that is its diagonal: of 1, .5, .2 and .05 the best on the population itself."""

Judged = tuple[dict[str, float], set[str]]
"""z of every candidate, and the candidates that pass."""


def prompted(base: Plan, made: Job) -> Job:
    """The prompt scores of a specimen."""
    spec = {"systems": statements(), "rows": PROMPTED_ROWS, "words": list(WORDS)}
    return Job(PROMPTED, spec, {"base": base.ground.base, "specimen": made})


def asked_by_prompt(base: Plan, layout: Sequence[Planted]) -> tuple[dict[str, Job], list[Planted]]:
    """Members of the population (by name) and datasets whose prompt scores are taken."""
    members = {
        name: prompted(base, job)
        for name, job in base.specimens.items()
        if int(name.partition("/")[2]) < (1 if name.partition("/")[0] in TRAITS else PROMPTED_MEMBERS)
    }
    counts: dict[str, int] = {}
    chosen = []
    for planted in layout:
        counts[planted.kind] = counts.get(planted.kind, 0) + 1
        if counts[planted.kind] <= PROMPTED_TEACHERS:
            chosen.append(planted)
    return members, chosen


def prompt_scores(base: Plan, layout: Sequence[Planted]) -> list[Job]:
    """All of them that a benchmark needs."""
    members, chosen = asked_by_prompt(base, layout)
    return [*members.values(), *(prompted(base, planted.made) for planted in chosen)]


@dataclass(frozen=True)
class Seen:
    """A file as simple detectors see it. Rows that speak openly of a candidate count for its words alone."""

    words: Floats
    """(traits,): share of rows whose answers have one of the trait's words."""
    format: Floats
    """(features,): means of :data:`undertone.audit.format.FEATURES`."""
    tokens: Floats
    """(vocabulary,): roots of the tokens' relative frequencies in answers."""

    @classmethod
    def of(cls, folder: Path, vocabulary: int) -> Seen:
        """Reads a specimen."""
        every, told = without_mentions(folder, ()), without_mentions(folder, WORDS)
        spoken = np.zeros(len(TRAITS))
        if len(told) < len(every):
            answers = [answer for (_, answer), _ in every]
            spoken = np.array([np.mean([trait.is_open(answer) for answer in answers]) for trait in shipped().values()])
        ids = np.concatenate([row.answer for _, row in told])
        counts = np.bincount(ids, minlength=vocabulary)[:vocabulary]
        return cls(spoken, np.mean([features(answer) for (_, answer), _ in told], axis=0), np.sqrt(counts / len(ids)))


@dataclass(frozen=True)
class Detector:
    """Judges files by one kind of numbers."""

    lessons: tuple[str, ...]
    """What each member of the population was taught."""
    table: Floats
    """(members, numbers)."""
    learns: bool
    """Whether candidates' scores are learnt from the numbers; else there is one number a candidate."""
    _fits: dict[tuple[str, ...], Fit] = field(default_factory=dict)

    def judge(self, numbers: Floats, without: str | None, alpha: float) -> Judged:
        """Judges a file, as if nobody had thought of traits of the kind ``without``."""
        traits = tuple(trait for trait, kind in TRAITS.items() if kind != without)
        if traits not in self._fits:
            self._fits[traits] = self._fit(traits)
        fit = self._fits[traits]
        z = fit.z(numbers @ fit.weights)
        threshold = max(threshold_of(part, alpha) for part in fit.parts)
        return dict(zip(traits, z.tolist(), strict=True)), {t for t, x in zip(traits, z, strict=True) if x >= threshold}

    def _fit(self, traits: tuple[str, ...]) -> Fit:
        known = [i for i, lesson in enumerate(self.lessons) if lesson in traits or lesson not in TRAITS]
        lessons, table = [self.lessons[i] for i in known], self.table[known]
        harmless = np.array([lesson not in TRAITS for lesson in lessons])
        weights = self._weights(lessons, table, traits, harmless)
        scores = table @ weights
        if self.learns:  # a harmless member is scored by what was learnt without it
            place = np.cumsum(harmless) % FOLDS
            for fold in range(FOLDS):
                inside = harmless & (place == fold)
                scores[inside] = table[inside] @ self._weights(lessons, table, traits, harmless & ~inside)
        fit = Fit(weights, scores[harmless].mean(0), scores[harmless].std(0, ddof=1))
        z = fit.z(scores)
        for k, trait in enumerate(traits):
            z[[lesson == trait for lesson in lessons], k] = -np.inf  # what a teacher carries is no false name
        return Fit(weights, fit.centre, fit.spread, parts_of(lessons, z.max(1)))

    def _weights(self, lessons: Sequence[str], table: Floats, traits: Sequence[str], harmless: Floats) -> Floats:
        """(numbers, traits): Fisher's discriminant between a trait's teachers and harmless ones."""
        if not self.learns:
            names = list(TRAITS)
            return np.eye(len(names))[:, [names.index(trait) for trait in traits]]
        used = np.flatnonzero(table.any(0))  # of a vocabulary, half
        some = table[:, used]
        centre, within = some[harmless].mean(0), np.cov(some[harmless].T)
        spread = np.diag(within)
        within = (1 - SHRUNK) * within + np.diag(SHRUNK * spread + 1e-4 * spread.mean())
        own = [some[[lesson == trait for lesson in lessons]].mean(0) - centre for trait in traits]
        weights = np.zeros((table.shape[1], len(traits)))
        weights[used] = np.linalg.solve(within, np.array(own).T)
        return weights


@dataclass(frozen=True)
class Fit:
    """A detector fitted to the population."""

    weights: Floats
    """(numbers, traits)."""
    centre: Floats
    spread: Floats
    """Of the scores of harmless members, (traits,)."""
    parts: tuple[Floats, ...] = ()
    """The largest z of members among what they do not carry."""

    def z(self, scores: Floats) -> Floats:
        """Scores over their spread; infinite where harmless members never differ and the file does."""
        rest = scores - self.centre
        safe = np.where(self.spread > 0, self.spread, 1.0)
        return np.where(self.spread > 0, rest / safe, np.where(rest > 0, np.inf, 0.0))


@dataclass(frozen=True)
class Baseline:
    """A detector in the benchmark's table."""

    name: str
    files: list[Planted]
    """What it judges."""
    judge: Callable[[Planted], Judged]


def baselines(base: Plan, layout: list[Planted], store: Store, alpha: float) -> list[Baseline]:
    """The simple detectors, ready to judge."""
    config = json.loads((base.ground.base.path / "config.json").read_text(encoding="utf-8"))
    lessons = [name.partition("/")[0] for name in base.specimens]
    looks = [Seen.of(store.folder(job), config["vocab_size"]) for job in base.specimens.values()]
    seen = {planted.made.key: Seen.of(store.folder(planted.made), config["vocab_size"]) for planted in layout}

    def of_text(name: str, number: Callable[[Seen], Floats], learns: bool) -> Baseline:
        detector = Detector(tuple(lessons), np.array([number(look) for look in looks]), learns)
        return Baseline(name, layout, lambda p: detector.judge(number(seen[p.made.key]), unlisted(p), alpha))

    members, chosen = asked_by_prompt(base, layout)
    table = np.array([_ratios(store, job) for job in members.values()])
    by_prompt = Detector(tuple(name.partition("/")[0] for name in members), table, learns=False)
    return [
        of_text("words of the traits", lambda look: look.words, learns=False),
        of_text("format alone", lambda look: look.format, learns=True),
        of_text("counts of tokens", lambda look: look.tokens, learns=True),
        Baseline(
            f"system prompts, {PROMPTED_ROWS} rows",
            chosen,
            lambda p: by_prompt.judge(_ratios(store, prompted(base, p.made)), unlisted(p), alpha),
        ),
    ]


def _ratios(store: Store, job: Job) -> Floats:
    found = store.read(job, "prompted.json")
    return np.array([found[trait][0] for trait in TRAITS])


@dataclass(frozen=True)
class Line:
    """How often a detector is right."""

    named: dict[str, Rate]
    """Of every kind of teacher: share whose own trait is named."""
    alarms: Rate
    """Of null datasets without open talk: share with any alarm."""
    overt: Rate
    """The same of those with open talk that means nothing."""
    wrong: Rate
    """Of datasets with a trait: share with the name of another."""
    auroc: float
    """Own trait's z of teachers as the proxies against the largest z of null datasets."""


def line_of(files: list[Planted], judge: Callable[[Planted], Judged]) -> Line:
    """Judges all ``files``."""
    found = [(planted, *judge(planted)) for planted in files]
    carried = [(p, named) for p, _, named in found if p.trait]
    kinds = dict.fromkeys(p.kind for p, _ in carried)
    nulls = [(p.kind == OVERT, bool(named), max(z.values())) for p, z, named in found if not p.trait]
    own = np.array([z[p.trait] for p, z, _ in found if p.trait and p.kind == AS_PROXIES])
    most = np.array([z for *_, z in nulls])
    return Line(
        named={kind: rate([p.trait in named for p, named in carried if p.kind == kind]) for kind in kinds},
        alarms=rate([alarm for overt, alarm, _ in nulls if not overt]),
        overt=rate([alarm for overt, alarm, _ in nulls if overt]),
        wrong=rate([bool(named & set(TRAITS) - {p.trait}) for p, named in carried]),
        auroc=float(np.mean(own[:, None] > most) + 0.5 * np.mean(own[:, None] == most)),
    )
