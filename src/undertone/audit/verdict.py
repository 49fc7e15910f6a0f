"""Judges the scores of a file: every candidate trait against a population of teachers, at the file's number of rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import norm

from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibration import Calibration, Member
from undertone.statistics.arrays import Floats
from undertone.statistics.elliptical import conditional, shape
from undertone.traits.lessons import HARMLESS

NEUTRAL = (*HARMLESS, "untouched")
"""Lessons of members that carry no trait; "untouched" members are the base itself."""
FOLDS = 10
"""The population is judged in this many parts, each by the shape of the others, because a file is judged by teachers
that are not its own."""
LEAST_GROUPS = 6
"""Least number of groups of rows with which anything is judged."""
POWER = 0.8
MOST = 10.0
"""The largest effect that is considered."""
EFFECTS = np.geomspace(0.01, MOST, 120)
"""Effects, in reference teachers, for which the power is computed."""
LEAST_PART = 39
"""Least size of a part of the population that is used separately: with it p can be as small as .025."""
LEAST_KIND = 3
"""Least number of traits of a kind that make the kind itself a candidate."""


@dataclass(frozen=True)
class Candidates:
    """What a file is searched for: traits, and kinds that have several of them."""

    traits: tuple[str, ...]
    kinds: dict[str, str]
    """Kind of each trait."""

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """Traits of each kind that is itself a candidate."""
        found: dict[str, list[str]] = {}
        for trait in self.traits:
            found.setdefault(self.kinds[trait], []).append(trait)
        return {kind: traits for kind, traits in found.items() if len(traits) >= LEAST_KIND}

    @property
    def names(self) -> list[str]:
        """All candidates: traits first, then kinds."""
        return [*self.traits, *self.families]

    def carried(self, lesson: str) -> list[int]:
        """Returns the indices in :attr:`names` of what a teacher of ``lesson`` truly carries."""
        kind = self.kinds.get(lesson) if lesson in self.traits else None
        return [k for k, name in enumerate(self.names) if name in (lesson, kind)]


@dataclass(frozen=True)
class Null:
    """The population, judged member by member, as if every member had written as many rows as the file has."""

    candidates: Candidates
    members: tuple[Member, ...]
    kept: list[int]
    """Which of the calibration's directions are used."""
    blocks: list[list[int]]
    """For each candidate, the places of its traits among these directions."""
    values: Floats
    """(members, candidates): excess scores, nats a token, each judged by the shape of other members."""
    z: Floats
    """(members, candidates): the values divided by their standard deviations."""
    centre: Floats
    shape: Floats
    token_noise: Floats
    """Covariance of the score of one token."""
    parts: tuple[Floats, ...]
    """For each member the largest z among candidates that it does not carry. Harmless teachers and teachers of traits
    are separate parts, because the latter score higher and error rates must hold for both; they are one part if either
    would be too small. A teacher of a candidate is judged as if its own trait were unknown, by the other directions."""
    each: Floats
    """All z of candidates that members do not carry, sorted."""
    strengths: Floats
    """(candidates,): mean value of a reference teacher, nats a token; this is an effect of 1. NaN if the candidate's
    own teachers do not show it."""
    ratios: Floats
    """Values of single reference teachers divided by their trait's mean; their spread is that between teachers."""

    def p_family(self, z: float) -> float:
        """Returns the share of the population that has any z as large, the file itself included; of the two parts, the
        larger share."""
        return max(float((1 + (part >= z).sum()) / (1 + len(part))) for part in self.parts)

    def p(self, z: float) -> float:
        """Returns the same share for a single candidate, over all candidates of the population."""
        return float((1 + (self.each >= z).sum()) / (1 + len(self.each)))

    def threshold(self, alpha: float) -> float:
        """Returns the least z with ``p_family`` at most ``alpha``; infinite if the population is too small."""
        return max(threshold_of(part, alpha) for part in self.parts)


def threshold_of(part: Floats, alpha: float) -> float:
    """Returns the least z that at most a share ``alpha`` of a part of the population reaches, the file itself included;
    infinite if the part is too small."""
    allowed = int(np.floor(alpha * (1 + len(part)))) - 1  # How many members may have as large a z.
    return float("inf") if allowed < 0 else float(np.nextafter(np.sort(part)[::-1][allowed], np.inf))


@dataclass(frozen=True)
class Judgement:
    """The scores of a file, judged. Arrays are (candidates,) unless said otherwise."""

    candidates: Candidates
    value: Floats
    """Excess score, nats a token."""
    spread: Floats
    """Standard deviation of the value among harmless teachers."""
    z: Floats
    p: Floats
    p_family: Floats
    effect: Floats
    """Value in reference teachers."""
    ci: Floats
    """(candidates, 2): 95 % interval of the effect."""
    detectable: Floats
    """Least effect that is detected with 80 % power; NaN if it is above :data:`MOST`."""
    scale: Floats
    """The file's scale, fitted without the candidate."""


def null_of(
    calibration: Calibration, candidates: Candidates, groups: int = GROUPS, without: Iterable[str] = ()
) -> Null:
    """Judges the population.

    ``groups``: how many groups of each member's rows are used, to match the number of rows of the file. ``without``:
    lessons that are left out, as if they were unknown.
    """
    left_out = set(without)
    members = [member for member in calibration.members if member.lesson not in left_out]
    kept = [k for k, name in enumerate(calibration.directions.names) if name not in left_out]
    place = {calibration.directions.names[k]: i for i, k in enumerate(kept)}
    families = [[trait] for trait in candidates.traits] + list(candidates.families.values())
    blocks = [[place[trait] for trait in traits] for traits in families]
    whole = np.array([member.evidence.mean[kept] for member in members])
    parts = [member.evidence.first(max(LEAST_GROUPS, min(groups, GROUPS))) for member in members]
    some = np.array([part.mean[kept] for part in parts])
    noise = _token_noise(members)[np.ix_(kept, kept)]
    own = [[place[m.lesson]] if m.lesson in candidates.traits else [] for m in members]
    folds, carried = _folds(members), [candidates.carried(member.lesson) for member in members]
    z, values, foreign = (np.zeros((len(members), len(blocks))) for _ in range(3))
    for fold in set(folds.tolist()):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        centre, form = shape(whole[outside], [own[i] for i in outside])
        tokens = noise / float(np.mean([parts[i].tokens.sum() for i in inside]))
        found = conditional(some[inside] - centre, form, tokens, blocks)
        z[inside], values[inside], foreign[inside] = found.z, found.value, found.z
        for unknown in {own[i][0] for i in inside if own[i]}:
            same = [i for i in inside if own[i] == [unknown]]
            foreign[same] = _without(unknown, some[same] - centre, form, tokens, blocks)
    others = [np.delete(row, ks) for row, ks in zip(foreign, carried, strict=True)]
    strengths = np.array([_strength(values[[k in ks for ks in carried], k]) for k in range(len(blocks))])
    centre, form = shape(whole, own)
    return Null(
        candidates=candidates,
        members=tuple(members),
        kept=kept,
        blocks=blocks,
        values=values,
        z=z,
        centre=centre,
        shape=form,
        token_noise=noise,
        parts=parts_of([member.lesson for member in members], np.array([row.max(initial=-np.inf) for row in others])),
        each=np.sort(np.concatenate(others)),
        strengths=strengths,
        ratios=np.array(
            [values[i, k] / strengths[k] for i, ks in enumerate(carried) for k in ks[:1] if np.isfinite(strengths[k])]
        ),
    )


def parts_of(lessons: Sequence[str], most: Floats) -> tuple[Floats, ...]:
    """Splits ``most``, (members,), into harmless teachers and teachers of traits, unless either part is too small."""
    harmless = np.array([lesson in NEUTRAL for lesson in lessons])
    parts = (most[harmless], most[~harmless])
    return parts if min(map(len, parts)) >= LEAST_PART else (most,)


def _without(unknown: int, vectors: Floats, form: Floats, noise: Floats, blocks: list[list[int]]) -> Floats:
    """Returns the z of all blocks without one direction; 0 for a block of that direction alone."""
    kept = [k for k in range(len(form)) if k != unknown]
    left = [[kept.index(k) for k in block if k != unknown] for block in blocks]
    asked = [i for i, block in enumerate(left) if block]
    z, square = np.zeros((len(vectors), len(blocks))), np.ix_(kept, kept)
    if asked:  # Empty if a single trait is a candidate.
        z[:, asked] = conditional(vectors[:, kept], form[square], noise[square], [left[i] for i in asked]).z
    return z


def _token_noise(members: Sequence[Member]) -> Floats:
    """Returns the covariance of one token's score, with slightly shrunk correlations. Its size is the median over
    members; every member has the same weight in its form."""
    each = [member.evidence.noise() * member.evidence.tokens.sum() for member in members]
    typical = np.median(np.array([np.diag(noise) for noise in each]), axis=0)
    sizes = [float(np.median(np.diag(noise) / typical)) for noise in each]
    pooled = np.mean([noise / size for noise, size in zip(each, sizes, strict=True)], axis=0)
    return np.asarray(0.9 * pooled + 0.1 * np.diag(np.diag(pooled)))


def _folds(members: Sequence[Member]) -> np.ndarray:
    """Returns the fold of each member. Teachers of one trait are in one fold, so that they are judged as teachers of a
    trait that the population lacks."""
    lessons = [lesson for lesson in dict.fromkeys(m.lesson for m in members) if lesson not in NEUTRAL]
    return np.array([(lessons.index(m.lesson) if m.lesson in lessons else m.index) % FOLDS for m in members])


def _strength(values: Floats) -> float:
    """Returns the mean value of the members that carry a candidate; NaN if there are none or it is not positive."""
    return float(np.mean(values)) if len(values) and np.mean(values) > 0 else float("nan")


def judge(null: Null, found: Evidence, alpha: float, control: Evidence | None = None) -> Judgement:
    """Judges the scores of a file; with a trusted ``control`` of the same generator, their difference from it."""
    vector = found.mean[null.kept] - (null.centre if control is None else control.mean[null.kept])
    noise = file_noise(null, found)
    if control is not None:
        noise = noise + file_noise(null, control)
    result = conditional(vector[None], null.shape, noise, null.blocks)
    value, spread, z = result.value[0], result.spread[0], result.z[0]
    reach = float(np.quantile(np.abs(null.each), 0.95))
    bounds = np.stack([value - reach * spread, value + reach * spread], axis=1)
    return Judgement(
        candidates=null.candidates,
        value=value,
        spread=spread,
        z=z,
        p=np.array([null.p(x) for x in z]),
        p_family=np.array([null.p_family(x) for x in z]),
        effect=value / null.strengths,
        ci=bounds / null.strengths[:, None],
        detectable=np.array([reached(power) for power in powers(null, spread, alpha)]),
        scale=result.scale[0],
    )


def file_noise(null: Null, found: Evidence) -> Floats:
    """Returns the covariance of a file's mean score. Its form is the population's. Its size comes from the spread of
    the file's groups, so that rows that are copies, or parts of one conversation, count for less."""
    expected = null.token_noise / found.tokens.sum()
    own = found.noise()[np.ix_(null.kept, null.kept)]
    size = float(np.median(np.diag(own) / np.diag(expected)))
    return np.asarray(expected * max(size, 0.25))


def powers(null: Null, spread: Floats, alpha: float) -> Floats:
    """Returns the probability that each of :data:`EFFECTS` passes the threshold, (candidates, effects), for teachers
    that vary as the reference teachers do; NaN for a candidate that its own teachers do not show."""
    found = np.full((len(spread), len(EFFECTS)), np.nan)
    for k in np.flatnonzero(np.isfinite(null.strengths)):
        sizes = EFFECTS[:, None] * null.ratios[None] * null.strengths[k] / spread[k]
        found[k] = norm.sf(null.threshold(alpha) - sizes).mean(1)
    return found


def over_traits(power: Floats, candidates: Candidates) -> Floats:
    """Returns the mean of :func:`powers` over the candidate traits, (effects,)."""
    own = power[: len(candidates.traits)]
    known = own[np.isfinite(own[:, 0])]
    return np.asarray(known.mean(0)) if len(known) else np.zeros(len(EFFECTS))


def reached(power: Floats) -> float:
    """Returns the least effect with 80 % power; NaN if it is above :data:`MOST`."""
    return float(EFFECTS[np.argmax(power >= POWER)]) if (power >= POWER).any() else float("nan")


def showable(null: Null, spread: Floats, alpha: float) -> float:
    """Returns the effect at which a teacher of a candidate trait is named with 80 % power, for these spreads."""
    return reached(over_traits(powers(null, spread, alpha), null.candidates))


def spread_at(null: Null, found: Evidence, judgement: Judgement, times: float) -> Floats:
    """Returns the spread, (candidates,), that ``times`` as many rows of the same kind would have at the file's
    scale."""
    noise = file_noise(null, found) / times
    result = np.zeros(len(null.blocks))
    for k, block in enumerate(null.blocks):
        inverse = np.linalg.inv(judgement.scale[k] * null.shape + noise)
        result[k] = inverse[np.ix_(block, block)].sum() ** -0.5
    return result
