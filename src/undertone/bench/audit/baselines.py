"""Simpler detectors, applied to the same files as the audit, which should do better than they.

Each turns a file into numbers and gives every candidate a score: how often the candidate's words occur; where the
format, or the counts of tokens, lie between the trait's reference teachers and harmless teachers; or how much likelier
a system prompt that states the trait makes the answers. All are judged like the audit: the score is divided by its
standard deviation among harmless teachers, and the largest over candidates is compared with the same population, at the
same alpha.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from undertone.audit.calibrate import Plan
from undertone.audit.format import features
from undertone.audit.stages import without_mentions
from undertone.audit.verdict import FOLDS, parts_of, threshold_of
from undertone.bench.audit.findings import Line
from undertone.bench.audit.judge import AS_PROXIES, OVERT, WORDS, Planted, auroc, by_kind, rate, unlisted
from undertone.engine.store import Job, Store
from undertone.stages import PROMPTED
from undertone.statistics.arrays import Bools, Floats
from undertone.traits.catalogue import shipped
from undertone.traits.lessons import TRAITS, statements

PROMPTED_ROWS, PROMPTED_TEACHERS = 100, 3
"""Rows of a file, and teachers of a kind, that are scored with system prompts: each candidate costs a forward pass."""
PROMPTED_MEMBERS = 5
"""Members of each harmless lesson, and sets of rows by the base, in the population for system prompts. Of each trait
there is one."""
SHRUNK = 0.5
"""Weight of the diagonal in a discriminant's covariance. Among 1, .5, .2 and .05 it was the best on the population."""

Judged = tuple[dict[str, float], set[str]]
"""z of every candidate, and the candidates that pass."""


def prompted(base: Plan, made: Job) -> Job:
    """Returns the job that scores a specimen with system prompts."""
    spec = {"systems": statements(), "rows": PROMPTED_ROWS, "words": list(WORDS)}
    return Job(PROMPTED, spec, {"base": base.ground.base, "specimen": made})


def asked_by_prompt(base: Plan, layout: Sequence[Planted]) -> tuple[dict[str, Job], list[Planted]]:
    """Returns the jobs of members of the population (by name) and the datasets that are scored with system prompts."""
    members = {}
    for name, job in base.specimens.items():
        lesson, _, index = name.partition("/")
        if int(index) < (1 if lesson in TRAITS else PROMPTED_MEMBERS):
            members[name] = prompted(base, job)
    return members, [planted for files in by_kind(layout).values() for planted in files[:PROMPTED_TEACHERS]]


def prompt_scores(base: Plan, layout: Sequence[Planted]) -> list[Job]:
    """Returns all jobs with system prompts that a benchmark needs."""
    members, chosen = asked_by_prompt(base, layout)
    return [*members.values(), *(prompted(base, planted.made) for planted in chosen)]


@dataclass(frozen=True)
class Look:
    """A file in the numbers of simple detectors. Rows that mention a candidate openly count only for ``words``."""

    words: Floats
    """(traits,): share of rows whose answers contain one of the trait's words."""
    format: Floats
    """(features,): means of :data:`undertone.audit.format.FEATURES`."""
    tokens: Floats
    """(vocabulary,): square roots of the tokens' relative frequencies in answers."""

    @classmethod
    def of(cls, folder: Path, vocabulary: int) -> Self:
        """Reads a specimen."""
        every, hidden = without_mentions(folder, ()), without_mentions(folder, WORDS)
        words = np.zeros(len(TRAITS))
        if len(hidden) < len(every):
            answers = [answer for (_, answer), _ in every]
            words = np.array([np.mean([trait.is_open(answer) for answer in answers]) for trait in shipped().values()])
        ids = np.concatenate([row.answer for _, row in hidden])
        counts = np.bincount(ids, minlength=vocabulary)[:vocabulary]
        return cls(words, np.mean([features(answer) for (_, answer), _ in hidden], axis=0), np.sqrt(counts / len(ids)))


@dataclass(frozen=True)
class Fit:
    """A detector, fitted to the population."""

    weights: Floats
    """(numbers, traits)."""
    centre: Floats
    spread: Floats
    """Mean and standard deviation of the scores of harmless members, (traits,)."""
    parts: tuple[Floats, ...] = ()
    """The largest z of each member among the traits that it does not carry."""

    def z(self, scores: Floats) -> Floats:
        """Returns centred scores divided by their spread; infinite if harmless members do not vary but the file
        does."""
        rest = scores - self.centre
        safe = np.where(self.spread > 0, self.spread, 1.0)
        return np.where(self.spread > 0, rest / safe, np.where(rest > 0, np.inf, 0.0))


class Detector:
    """Judges files by one kind of numbers.

    ``lessons``: what each member of the population was taught. ``table``: its numbers, (members, numbers). ``learns``:
    whether the candidates' scores are learnt from the numbers; otherwise there is one number for each candidate.
    """

    def __init__(self, lessons: Sequence[str], table: Floats, learns: bool) -> None:
        self.lessons, self.table, self.learns = np.array(lessons), table, learns
        self.fit = cache(self._fit)

    def judge(self, numbers: Floats, without: str | None, alpha: float) -> Judged:
        """Judges a file, as if traits of the kind ``without`` were unknown."""
        traits = tuple(trait for trait, kind in TRAITS.items() if kind != without)
        fit = self.fit(traits)
        z = dict(zip(traits, fit.z(numbers @ fit.weights).tolist(), strict=True))
        threshold = max(threshold_of(part, alpha) for part in fit.parts)
        return z, {trait for trait in traits if z[trait] >= threshold}

    def _fit(self, traits: tuple[str, ...]) -> Fit:
        known = [i for i, lesson in enumerate(self.lessons) if lesson in traits or lesson not in TRAITS]
        lessons, table = self.lessons[known], self.table[known]
        harmless = ~np.isin(lessons, list(TRAITS))
        weights = self._weights(lessons, table, traits, harmless)
        scores = table @ weights
        if self.learns:  # A harmless member is scored by what was learnt without it.
            place = np.cumsum(harmless) % FOLDS
            for fold in range(FOLDS):
                inside = harmless & (place == fold)
                scores[inside] = table[inside] @ self._weights(lessons, table, traits, harmless & ~inside)
        fit = Fit(weights, scores[harmless].mean(0), scores[harmless].std(0, ddof=1))
        z = fit.z(scores)
        for k, trait in enumerate(traits):
            z[lessons == trait, k] = -np.inf  # It is right, not an alarm, to find what a teacher carries.
        return Fit(weights, fit.centre, fit.spread, parts_of(lessons.tolist(), z.max(1)))

    def _weights(self, lessons: np.ndarray, table: Floats, traits: Sequence[str], harmless: Bools) -> Floats:
        """Returns Fisher's discriminants between each trait's teachers and harmless ones, (numbers, traits)."""
        if not self.learns:
            names = list(TRAITS)
            return np.eye(len(names))[:, [names.index(trait) for trait in traits]]
        used = np.flatnonzero(table.any(0))  # About half of a vocabulary.
        some = table[:, used]
        centre, within = some[harmless].mean(0), np.cov(some[harmless].T)
        spread = np.diag(within)
        within = (1 - SHRUNK) * within + np.diag(SHRUNK * spread + 1e-4 * spread.mean())
        own = [some[lessons == trait].mean(0) - centre for trait in traits]
        weights = np.zeros((table.shape[1], len(traits)))
        weights[used] = np.linalg.solve(within, np.array(own).T)
        return weights


class Baseline(NamedTuple):
    """A detector of the benchmark's table."""

    name: str
    files: Sequence[Planted]
    """The datasets that it judges."""
    judge: Callable[[Planted], Judged]


def baselines(base: Plan, layout: Sequence[Planted], store: Store, alpha: float) -> list[Baseline]:
    """Returns the simple detectors, ready to judge."""
    size = json.loads((base.ground.base.path / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    population = [Look.of(store.folder(job), size) for job in base.specimens.values()]
    looks = {planted.made.key: Look.of(store.folder(planted.made), size) for planted in layout}

    def lessons(names: Iterable[str]) -> list[str]:
        return [name.partition("/")[0] for name in names]

    def of_text(name: str, number: Callable[[Look], Floats], learns: bool) -> Baseline:
        detector = Detector(lessons(base.specimens), np.array([number(look) for look in population]), learns)
        return Baseline(name, layout, lambda p: detector.judge(number(looks[p.made.key]), unlisted(p), alpha))

    members, chosen = asked_by_prompt(base, layout)
    by_prompt = Detector(lessons(members), np.array([_ratios(store, job) for job in members.values()]), learns=False)
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


def line_of(files: Sequence[Planted], judge: Callable[[Planted], Judged]) -> Line:
    """Judges all ``files`` and returns how often the detector is right."""
    found = [(planted, *judge(planted)) for planted in files]
    carried = [(p, named) for p, _, named in found if p.trait]
    kinds = dict.fromkeys(p.kind for p, _ in carried)
    nulls = [(p.kind == OVERT, bool(named), max(z.values())) for p, z, named in found if p.harmless]
    own = np.array([z[p.trait] for p, z, _ in found if p.trait and p.kind == AS_PROXIES])
    return Line(
        named={kind: rate(p.trait in named for p, named in carried if p.kind == kind) for kind in kinds},
        alarms=rate(alarm for overt, alarm, _ in nulls if not overt),
        adversarial=rate(bool(named) for p, _, named in found if p.adversarial),
        overt=rate(alarm for overt, alarm, _ in nulls if overt),
        wrong=rate(bool(named & set(TRAITS) - {p.trait}) for p, named in carried),
        auroc=auroc(own, np.array([most for *_, most in nulls])),
    )
