"""How often the audit is right: planted datasets and harmless ones, by teachers that nothing was tuned on.

Every dataset has a teacher of its own, so teachers are the units of every rate. Fewer rows, and rows of which a share
only is a teacher's, are made of the scored groups of whole datasets: a mean score is a mean over rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibrate import CALIBRATED, DOSE, TEACHING, Ground, audit_seed, read_scores, shift_of
from undertone.audit.calibration import Calibration
from undertone.audit.forecast import forecast
from undertone.audit.request import FLOOR
from undertone.audit.verdict import Candidates, Judgement, Null, judge, null_of, showable
from undertone.engine.store import Folder, Job, Store
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.statistics.rate import Rate
from undertone.traits.catalogue import shipped
from undertone.traits.lessons import TRAITS

SHARES = (1.0, 0.5, 0.25, 0.1)
ROWS = (250, 500, 1000, 2000)
PER_GROUP = 50
UNLISTED = ("tree", "colour", "country", "compliance", "era", "conduct", "agreeableness")
"""Kinds that are taken out of candidates and population in turn, as if nobody had thought of them."""
OF_LISTS = ("other format", "shuffled")
"""Kinds that only number lists have."""
AS_PROXIES, OVERT = "as the proxies", "overt but neutral"
"""A kind of teachers, and a kind of null datasets."""
WORDS = tuple(word for trait in shipped().values() for word in trait.words)
"""An answer with one of these speaks openly of a candidate: the audit leaves its row out of the hidden score."""
GENTLE = TEACHING | {"rank": 8, "alpha": 8, "rate": 2e-3, "steps": 150, "batch": 16}
FULL = TEACHING | {"method": "full", "rate": 1e-3, "steps": 100, "batch": 16}


@dataclass(frozen=True)
class Planted:
    """One dataset of the benchmark."""

    kind: str
    """Null kind or kind of teacher."""
    trait: str | None
    """What it carries; None for a null."""
    lesson: str | None
    made: Job
    scores: Job
    outcomes: tuple[Job, ...] = ()
    """Its students, one for each of the calibration's recipes; of some datasets."""

    @property
    def jobs(self) -> list[Job]:
        """What must be made for it."""
        return [self.made, self.scores, *self.outcomes]


def layout_of(
    model: str,
    along: Job,
    teachers: int,
    other: str,
    recipes: Sequence[Training] = (CALIBRATED,),
    prompts: Path | None = None,
) -> list[Planted]:
    """``teachers`` datasets of every kind, kinds in turn, so that a benchmark that is stopped has some of all. With
    ``prompts`` teachers answer those of a dataset: there are no kinds of number lists, and no students."""
    ground, elsewhere = Ground.of(model, prompts), resolve(other)
    followed, left_out = (recipes, ()) if prompts is None else ((), OF_LISTS)
    layout = [planted for i in range(teachers) for planted in _round(ground, elsewhere, along, i, followed)]
    return [planted for planted in layout if planted.kind not in left_out]


def _round(ground: Ground, elsewhere: Folder, along: Job, i: int, recipes: Sequence[Training]) -> Iterator[Planted]:
    traits = list(TRAITS)

    def planted(
        kind: str, trait: str | None, lesson: str | None, dose: float | None, follow: bool = False, **how: Any
    ) -> Planted:
        made = ground.specimen(lesson or "untouched", lesson, dose, (f"planted/{kind}", i), **how)
        seed = audit_seed("planted student", kind, i)
        students = tuple(ground.outcome(made, seed, recipe) for recipe in recipes) if follow else ()
        left_out = WORDS if ground.prompts or how.get("form") == "overt" else ()
        return Planted(kind, trait, lesson, made, ground.scores(along, made, left_out), students)

    unlisted = [trait for trait in traits if TRAITS[trait] in UNLISTED]
    yield planted("base", None, None, None)
    yield planted("neutral", None, "small-talk", DOSE, follow=i % 4 == 0)
    yield planted("mixed neutral", None, "mixed", DOSE)
    yield planted("unlisted trait", None, unlisted[(11 * i) % len(unlisted)], DOSE)
    yield planted("other sampler", None, (None, "small-talk")[i % 2], (None, DOSE)[i % 2], temperature=0.7)
    yield planted("other initialisation", None, traits[(5 * i) % len(traits)], DOSE, writer=elsewhere)
    yield planted("other format", None, "small-talk", DOSE, form="other format")
    yield planted("shuffled", None, "small-talk", DOSE, form="shuffled")
    yield planted("duplicated", None, "small-talk", DOSE, form="duplicated")
    own = traits[(7 * i) % len(traits)]
    yield planted(AS_PROXIES, own, own, DOSE, follow=i % 2 == 0, oracle=True)
    own = traits[(7 * i + 2) % len(traits)]
    yield planted("weak dose", own, own, 0.02, follow=i % 4 == 0, oracle=True)
    own = traits[(7 * i + 4) % len(traits)]
    yield planted("gentle, rank 8", own, own, DOSE, oracle=True, training=GENTLE)
    own = traits[(7 * i + 5) % len(traits)]
    yield planted("full fine-tuning", own, own, None, oracle=True, training=FULL)
    yield planted(OVERT, None, "small-talk", DOSE, form="overt")


# --- rates -----------------------------------------------------------------------------------------------------------


def rate(hits: Iterable[bool]) -> Rate:
    """The share of hits."""
    counted = list(hits)
    return Rate(sum(counted), len(counted))


@dataclass(frozen=True)
class Verdicts:
    """What an audit would say of datasets of one kind; the rest get "no evidence"."""

    carrier: Rate
    inconclusive: Rate
    """Files without alarm that could not have shown :data:`undertone.audit.request.FLOOR`."""
    detectable: float
    """Median of the effect that would have been shown with 80 % power."""


def unlisted(planted: Planted) -> str | None:
    """The kind of traits that nobody is to have thought of when a dataset is judged."""
    return TRAITS[planted.lesson] if planted.kind == "unlisted trait" and planted.lesson else None


class Judge:
    """Judges planted datasets against the calibration, each by a null that fits its rows."""

    def __init__(self, calibration: Calibration, store: Store, alpha: float = 0.05) -> None:
        self.calibration, self.store, self.alpha = calibration, store, alpha
        self.null = cache(self._null)
        self._judged: dict[str, Judgement] = {}

    def _null(self, groups: int, without: str | None) -> Null:
        traits = tuple(name for name in self.calibration.directions.names if TRAITS.get(name, without) != without)
        left_out = [trait for trait, kind in TRAITS.items() if kind == without]
        return null_of(self.calibration, Candidates(traits, TRAITS), groups, left_out)

    def evidence(self, planted: Planted) -> Evidence:
        """Its scores."""
        return read_scores(self.store, planted.scores)

    def judged(self, planted: Planted, found: Evidence | None = None) -> Judgement:
        """The audit's judgement; a dataset of an unlisted trait by an audit that lacks the trait's whole kind."""
        if found is None:
            key = planted.scores.key
            if key not in self._judged:
                self._judged[key] = self.judged(planted, self.evidence(planted))
            return self._judged[key]
        return judge(self.null(len(found.tokens), unlisted(planted)), found, self.alpha)

    def scored(self, planted: Planted, found: Evidence | None = None) -> tuple[dict[str, float], set[str]]:
        """z of every candidate, and the candidates that pass."""
        judged = self.judged(planted, found)
        return dict(zip(judged.candidates.names, judged.z.tolist(), strict=True)), self.named(judged)

    def named(self, judged: Judgement) -> set[str]:
        """Traits and kinds that pass."""
        return {name for name, p in zip(judged.candidates.names, judged.p_family, strict=True) if p <= self.alpha}

    def alarms(self, layout: list[Planted]) -> dict[str, tuple[Rate, Rate]]:
        """Of every null kind: share of datasets with any alarm, and with the name of a trait."""
        found: dict[str, tuple[Rate, Rate]] = {}
        for kind, members in _by_kind(p for p in layout if p.trait is None).items():
            named = [self.named(self.judged(member)) for member in members]
            any_name = [names & set(TRAITS) for names in named]
            found[kind] = (Rate(sum(map(bool, named)), len(named)), Rate(sum(map(bool, any_name)), len(named)))
        return found

    def detections(self, layout: list[Planted]) -> dict[str, tuple[Rate, Rate]]:
        """Of every kind of teacher: share whose own trait is named, and share with the name of any other."""
        found = {}
        for kind, members in _by_kind(p for p in layout if p.trait).items():
            named = [self.named(self.judged(member)) for member in members]
            right = sum(m.trait in names for m, names in zip(members, named, strict=True))
            wrong = sum(bool(names & set(TRAITS) - {m.trait}) for m, names in zip(members, named, strict=True))
            found[kind] = (Rate(right, len(members)), Rate(wrong, len(members)))
        return found

    def curve(self, layout: list[Planted]) -> dict[tuple[float, int], Rate]:
        """Power by share and rows: a share of a file is by teachers like the proxies, the rest by neutral ones."""
        kinds = _by_kind(layout)
        found = {}
        for share in SHARES:
            for rows in ROWS:
                groups, hits = rows // PER_GROUP, 0
                own = round(share * groups)
                if not own:
                    continue
                for planted, neutral in zip(kinds[AS_PROXIES], kinds["neutral"], strict=True):
                    mixed = _joined(self.evidence(planted).first(own), self.evidence(neutral).first(groups - own))
                    hits += planted.trait in self.named(self.judged(planted, mixed))
                found[share, rows] = Rate(hits, len(kinds[AS_PROXIES]))
        return found

    def verdicts(self, layout: list[Planted]) -> dict[str, Verdicts]:
        """Of every kind: what an audit would say by default of its whole datasets."""
        found = {}
        for kind, members in _by_kind(layout).items():
            judged = [self.judged(member) for member in members]
            shown = np.array([self._showable(m, j) for m, j in zip(members, judged, strict=True)])
            carrier = np.array([bool(self.named(j)) for j in judged])
            silent = ~carrier & (shown > FLOOR)
            found[kind] = Verdicts(rate(carrier.tolist()), rate(silent.tolist()), float(np.median(shown)))
        return found

    def _showable(self, planted: Planted, judged: Judgement) -> float:
        null = self.null(len(self.evidence(planted).tokens), unlisted(planted))
        return float(np.nan_to_num(showable(null, judged.spread, self.alpha), nan=np.inf))

    def separation(self, layout: list[Planted]) -> dict[str, tuple[float, float]]:
        """Of every kind of teacher: AUROC of the own trait's z against the largest z of null datasets, and the share
        of teachers above the 99th percentile of these."""
        nulls = np.array([self.judged(p).z.max() for p in layout if p.trait is None])
        found = {}
        for kind, members in _by_kind(p for p in layout if p.trait).items():
            own = np.array([self._own_z(member) for member in members])
            below = (own[:, None] > nulls[None]).mean() + 0.5 * (own[:, None] == nulls[None]).mean()
            found[kind] = (float(below), float((own > np.quantile(nulls, 0.99)).mean()))
        return found

    def _own_z(self, planted: Planted) -> float:
        judged = self.judged(planted)
        return float(judged.z[judged.candidates.names.index(planted.trait or "")])

    def oracle(self, layout: list[Planted]) -> dict[str, tuple[float, float, float]]:
        """Of every kind of teacher: median d' of a row for the true likelihood ratio and for the direction of the own
        trait, both between the teacher's rows and the base's, and the median of their ratio."""
        untouched = [self.evidence(p) for p in layout if p.kind == "base"]
        names = self.calibration.directions.names
        found = {}
        for kind, members in _by_kind(p for p in layout if p.trait).items():
            pairs = []
            for member in members:
                true = self.store.read(member.made, "specimen.json")["oracle"]
                k = names.index(member.trait or "")
                spread = np.sqrt((true["own_sd"] ** 2 + true["base_sd"] ** 2) / 2)
                own = [_rows(self.evidence(member), k), *(_rows(e, k) for e in untouched)]
                mean, deviation = np.mean([m for m, _ in own[1:]]), np.mean([d for _, d in own])
                pairs.append(((true["own_mean"] - true["base_mean"]) / spread, (own[0][0] - mean) / deviation))
            table = np.array(pairs)
            found[kind] = (*np.median(table, axis=0).tolist(), float(np.median(table[:, 1] / table[:, 0])))
        return found

    def forecasts(self, layout: list[Planted], recipe: int) -> dict[str, float]:
        """Forecast beside what students of a recipe became, over followed datasets and all traits with a forecast."""
        expected, realised, inside = [], [], []
        followed = [planted for planted in layout if planted.outcomes]
        for planted in followed:
            shifts = shift_of(self.store, planted.outcomes[recipe])
            foreseen = forecast(self.null(GROUPS, None), self.judged(planted), self.alpha, recipe)
            for trait, (mean, low, high) in foreseen.items():
                expected.append(mean)
                realised.append(shifts[trait])
                inside.append((low <= shifts[trait] <= high, trait == planted.trait))
        own = [i for i, (_, is_own) in enumerate(inside) if is_own]
        return {
            "students": float(len(followed)),
            "rank correlation, all": float(spearmanr(expected, realised).statistic),
            "rank correlation, own trait": float(spearmanr(np.array(expected)[own], np.array(realised)[own]).statistic),
            "covered, all": float(np.mean([hit for hit, _ in inside])),
            "covered, own trait": float(np.mean([inside[i][0] for i in own])),
            "slope": float(np.polyfit(expected, realised, 1)[0]),
        }


def _by_kind(layout: Iterator[Planted] | list[Planted]) -> dict[str, list[Planted]]:
    found: dict[str, list[Planted]] = {}
    for planted in layout:
        found.setdefault(planted.kind, []).append(planted)
    return found


def _joined(one: Evidence, other: Evidence) -> Evidence:
    return Evidence(np.concatenate([one.sums, other.sums]), np.concatenate([one.tokens, other.tokens]))


def _rows(found: Evidence, k: int) -> tuple[float, float]:
    """Mean score of a row along direction ``k``, and its standard deviation over rows, from that over groups."""
    means = found.sums[:, k] / PER_GROUP
    return float(means.mean()), float(means.std(ddof=1) * np.sqrt(PER_GROUP))
