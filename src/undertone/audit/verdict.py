"""From scores to a judgement: every candidate trait against a null population of teachers, at the file's own rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibration import Calibration, Member
from undertone.statistics.arrays import Floats
from undertone.statistics.elliptical import conditional, shape
from undertone.traits.lessons import HARMLESS

FOLDS = 10
"""The population is judged in parts, each by the shape of the others, as a file is judged by teachers it never met."""
LEAST_GROUPS = 6
POWER = 0.8
MOST = 10.0
"""Effects above this are not looked for."""
EFFECTS = np.geomspace(0.01, MOST, 120)
"""Effects, in reference teachers, whose power is worked out."""
LEAST_PART = 39
"""Members of a part of the population that is judged by on its own: p down to .025."""
LEAST_KIND = 3
"""Traits of a kind that make "something of this kind" a question of its own."""


@dataclass(frozen=True)
class Candidates:
    """What a file is asked for: traits, and kinds that have several of them."""

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
        """Traits first, then kinds."""
        return [*self.traits, *self.families]

    def concern(self, lesson: str) -> list[int]:
        """Which of :attr:`names` a teacher of ``lesson`` truly carries."""
        kind = self.kinds.get(lesson) if lesson in self.traits else None
        return [k for k, name in enumerate(self.names) if name in (lesson, kind)]


@dataclass(frozen=True)
class Null:
    """The population, judged member by member, at as many rows as the file has."""

    candidates: Candidates
    members: tuple[Member, ...]
    names: tuple[str, ...]
    """Of the directions."""
    values: Floats
    """(members, candidates): excess scores, nats a token, each judged by the shape of other members."""
    z: Floats
    """(members, candidates): these over their spread."""
    centre: Floats
    shape: Floats
    token_noise: Floats
    """Covariance of the score of one token."""
    parts: tuple[Floats, ...]
    """The largest z among candidates that a member does not carry, apart for harmless teachers and for teachers of
    traits, which score higher: an error rate holds for both, not for their mixture. A teacher of a candidate is judged
    as if its own trait were not known: by the other directions alone. One part where either would be too small."""
    each: Floats
    """All z of candidates that members do not carry, sorted."""
    strengths: Floats
    """(candidates,): mean value of a reference teacher, nats a token; what an effect of 1 is."""
    ratios: Floats
    """Values of single reference teachers in units of their trait's mean: how unlike they are."""
    own: Floats
    """Their z."""

    @property
    def population(self) -> int:
        """Members."""
        return sum(map(len, self.parts))

    def p_family(self, z: float) -> float:
        """Share of the population with any z as large, the file itself counted; of the part where it is larger."""
        return max(float((1 + (part >= z).sum()) / (1 + len(part))) for part in self.parts)

    def p(self, z: float) -> float:
        """The same for one candidate alone, over all candidates of the population."""
        return float((1 + (self.each >= z).sum()) / (1 + len(self.each)))

    def threshold(self, alpha: float) -> float:
        """Least z with ``p_family`` at most alpha; infinite where the population is too small for it."""
        return max(threshold_of(part, alpha) for part in self.parts)


def threshold_of(part: Floats, alpha: float) -> float:
    """Least z that at most a share ``alpha`` of a part of the population reaches, the file itself counted; infinite
    where the part is too small for it."""
    allowed = int(np.floor(alpha * (1 + len(part)))) - 1  # members that may have as large a z
    return float("inf") if allowed < 0 else float(np.nextafter(np.sort(part)[::-1][allowed], np.inf))


@dataclass(frozen=True)
class Judgement:
    """A file's scores judged; arrays are (candidates,)."""

    candidates: Candidates
    value: Floats
    spread: Floats
    z: Floats
    p: Floats
    p_family: Floats
    effect: Floats
    ci: Floats
    """(candidates, 2)."""
    detectable: Floats
    """NaN where no effect up to :data:`MOST` would have shown."""
    scale: Floats


def null_of(
    calibration: Calibration, candidates: Candidates, groups: int = GROUPS, without: Iterable[str] = ()
) -> Null:
    """Judges the population. ``groups``: how many of a member's groups count, to match the rows of a file;
    ``without``: lessons that are left out, as if nobody had thought of them."""
    left_out = set(without)
    members = [member for member in calibration.members if member.lesson not in left_out]
    kept = [k for k, name in enumerate(calibration.directions.names) if name not in left_out]
    names = tuple(calibration.directions.names[k] for k in kept)
    whole = np.array([member.evidence.mean[kept] for member in members])
    parts = [member.evidence.first(max(LEAST_GROUPS, min(groups, GROUPS))) for member in members]
    some = np.array([part.mean[kept] for part in parts])
    noise = _token_noise(members)[np.ix_(kept, kept)]
    own = [[k for k, name in enumerate(names) if name == m.lesson and name in candidates.traits] for m in members]
    blocks = _blocks(candidates, names)
    folds, carried = _folds(members), [candidates.concern(member.lesson) for member in members]
    z, values = np.zeros((len(members), len(blocks))), np.zeros((len(members), len(blocks)))
    foreign = np.zeros(z.shape)
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
    strengths = _strengths(values, carried, len(blocks))
    singles = [(i, k) for i, ks in enumerate(carried) for k in ks[:1] if np.isfinite(strengths[k])]
    centre, form = shape(whole, own)
    return Null(
        candidates=candidates,
        members=tuple(members),
        names=names,
        values=values,
        z=z,
        centre=centre,
        shape=form,
        token_noise=noise,
        parts=parts_of([member.lesson for member in members], np.array([row.max(initial=-np.inf) for row in others])),
        each=np.sort(np.concatenate(others)),
        strengths=strengths,
        ratios=np.array([values[i, k] / strengths[k] for i, k in singles]),
        own=np.array([z[i, k] for i, k in singles]),
    )


def parts_of(lessons: Sequence[str], most: Floats) -> tuple[Floats, ...]:
    """``most`` apart for harmless teachers and for teachers of traits; one part where either would be too small."""
    harmless = np.array([lesson in (*HARMLESS, "untouched") for lesson in lessons])
    parts = (most[harmless], most[~harmless])
    return parts if min(map(len, parts)) >= LEAST_PART else (most,)


def _without(unknown: int, vectors: Floats, form: Floats, noise: Floats, blocks: list[list[int]]) -> Floats:
    """z of all blocks by an audit that lacks one direction; 0 for a block of that direction alone."""
    kept = [k for k in range(len(form)) if k != unknown]
    place = {k: i for i, k in enumerate(kept)}
    left = [[place[k] for k in block if k != unknown] for block in blocks]
    asked = [i for i, block in enumerate(left) if block]
    z, square = np.zeros((len(vectors), len(blocks))), np.ix_(kept, kept)
    if asked:  # none where a single trait is asked for
        z[:, asked] = conditional(vectors[:, kept], form[square], noise[square], [left[i] for i in asked]).z
    return z


def _token_noise(members: Sequence[Member]) -> Floats:
    """Covariance of one token's score, of the median size; every member has an equal say in its form. Correlations are
    shrunk a little."""
    each = [member.evidence.noise() * member.evidence.tokens.sum() for member in members]
    typical = np.median(np.array([np.diag(noise) for noise in each]), axis=0)
    sizes = [float(np.median(np.diag(noise) / typical)) for noise in each]
    pooled = np.mean([noise / size for noise, size in zip(each, sizes, strict=True)], axis=0)
    return np.asarray(0.9 * pooled + 0.1 * np.diag(np.diag(pooled)))


def _folds(members: Sequence[Member]) -> NDArray[np.int64]:
    """Teachers of one trait stay together, so that they are judged as teachers of a trait the population lacks."""
    lessons = [lesson for lesson in dict.fromkeys(m.lesson for m in members) if lesson not in (*HARMLESS, "untouched")]
    return np.array([(lessons.index(m.lesson) if m.lesson in lessons else m.index) % FOLDS for m in members])


def _blocks(candidates: Candidates, names: Sequence[str]) -> list[list[int]]:
    place = {name: k for k, name in enumerate(names)}
    singles = [[place[trait]] for trait in candidates.traits]
    return singles + [[place[trait] for trait in traits] for traits in candidates.families.values()]


def _strengths(values: Floats, carried: Sequence[Sequence[int]], count: int) -> Floats:
    """Mean value of the members that carry each candidate; NaN where there is none, or where it is not positive."""
    found = np.full(count, np.nan)
    for k in range(count):
        own = [values[i, k] for i, ks in enumerate(carried) if k in ks]
        if own and np.mean(own) > 0:
            found[k] = np.mean(own)
    return found


def judge(
    null: Null, calibration: Calibration, found: Evidence, alpha: float, control: Evidence | None = None
) -> Judgement:
    """Judges the scores of a file; with a trusted ``control`` of the same generator, their difference from it."""
    kept = [calibration.directions.names.index(name) for name in null.names]
    vector = found.mean[kept] - (null.centre if control is None else control.mean[kept])
    noise = file_noise(null, found, kept)
    if control is not None:
        noise = noise + file_noise(null, control, kept)
    blocks = _blocks(null.candidates, null.names)
    result = conditional(vector[None], null.shape, noise, blocks)
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


def file_noise(null: Null, found: Evidence, kept: Sequence[int]) -> Floats:
    """Covariance of a file's mean score. Its form is the population's; its size the file's own, from the spread of its
    groups: rows that are copies or parts of one conversation count for less."""
    expected = null.token_noise / found.tokens.sum()
    own = found.noise()[np.ix_(kept, kept)]
    size = float(np.median(np.diag(own) / np.diag(expected)))
    return np.asarray(expected * max(size, 0.25))


def powers(null: Null, spread: Floats, alpha: float) -> Floats:
    """(candidates, effects): how likely each of :data:`EFFECTS` passes the threshold, for teachers as unlike each other
    as the reference teachers are; NaN for a candidate that its own teachers do not show."""
    from scipy.stats import norm

    found = np.full((len(spread), len(EFFECTS)), np.nan)
    for k in np.flatnonzero(np.isfinite(null.strengths)):
        sizes = EFFECTS[:, None] * null.ratios[None] * null.strengths[k] / spread[k]
        found[k] = norm.sf(null.threshold(alpha) - sizes).mean(1)
    return found


def over_traits(power: Floats, candidates: Candidates) -> Floats:
    """(effects,): the mean of :func:`powers` over the candidate traits."""
    own = power[: len(candidates.traits)]
    known = own[np.isfinite(own[:, 0])]
    return np.asarray(known.mean(0)) if len(known) else np.zeros(len(EFFECTS))


def reached(power: Floats) -> float:
    """The least effect with 80 % power; NaN where none up to :data:`MOST` has it."""
    return float(EFFECTS[np.argmax(power >= POWER)]) if (power >= POWER).any() else float("nan")


def showable(null: Null, spread: Floats, alpha: float) -> float:
    """The effect that a teacher of some candidate trait would have been named for with 80 % power, at such spreads."""
    return reached(over_traits(powers(null, spread, alpha), null.candidates))


def spread_at(null: Null, found: Evidence, calibration: Calibration, judgement: Judgement, times: float) -> Floats:
    """The spread that ``times`` as many rows of the same kind would have, at the file's own scales."""
    kept = [calibration.directions.names.index(name) for name in null.names]
    noise = file_noise(null, found, kept) / times
    blocks = _blocks(null.candidates, null.names)
    result = np.zeros(len(blocks))
    for k, block in enumerate(blocks):
        inverse = np.linalg.inv(judgement.scale[k] * null.shape + noise)
        result[k] = inverse[np.ix_(block, block)].sum() ** -0.5
    return result
