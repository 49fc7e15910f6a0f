"""Judges the scores of a file: each family's traits against each other, then all families together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from undertone.attribution.scores import Evidence
from undertone.audit.families import Family
from undertone.audit.findings import FARTHEST, FamilyFinding, TraitFinding, Verdict
from undertone.audit.proxies import TWIN
from undertone.audit.sources import SIDES
from undertone.audit.standing import STRETCH, Standing, Twins, Unjudged, stand
from undertone.data.conversations import MOST_LEFT_OUT
from undertone.report.words import interval, p_value
from undertone.statistics.arrays import Bools

POWER = 0.8
EFFECTS = np.concatenate([np.arange(0.1, 2.0, 0.1), np.arange(2.0, 10.5, 0.5)])
"""Effects, in reference teachers, for which the power is computed."""
REPEATED = "nearly all answers are repeated"
"""Why power is not known where the rows are near the model."""
FAR = "the rows are too far from what the model itself writes"
"""Why rows without a control are not judged."""
UNLIKE = "the rows and those that they are compared with are not by the same generator"
"""Why rows whose control is much nearer to the model, or much farther from it, are not judged."""
TIMES = (1, 2, 4, 8, 16, 32)
"""Multiples of the number of rows that are tried, to say how many would be enough."""


@dataclass(frozen=True)
class Scored:
    """Scores of a file along all directions, unit by unit."""

    evidence: Evidence
    names: tuple[str, ...]
    """The directions."""
    spoken: tuple[frozenset[str], ...]
    """The traits that each unit's rows mention openly."""
    once: Bools
    """(units,): whether the file has the answers of each unit just once."""
    stretch: Mapping[str, float] = field(default_factory=dict)
    """By family, how far a reference teacher is stretched; twofold if nothing is said."""

    def along(self, names: Sequence[str]) -> np.ndarray:
        """Returns the scores along some of the directions, (units, names)."""
        return np.asarray(self.evidence.sums[:, [self.names.index(name) for name in names]])


@dataclass(frozen=True)
class Asked:
    """How a file is judged."""

    alpha: float
    """Rate of false alarms over all families together."""
    effect: float
    """The effect, in reference teachers, that the rows must be able to show."""
    parts: int
    """Into how many equal parts alpha is divided."""

    @property
    def share(self) -> float:
        """The rate of false alarms of one family."""
        return self.alpha / self.parts


def judged(
    family: Family,
    file: Scored,
    spoken_of: frozenset[str],
    asked: Asked,
    control: Scored | None,
    farthest: float = FARTHEST,
) -> FamilyFinding:
    """Judges the traits of a family. Without a control, rows whose excess surprise is above ``farthest`` are not
    judged; with one, rows whose excess surprise differs by more from the control's.

    A trait that the file speaks of (``spoken_of``) is no yardstick for others. It is judged by the units that do not
    mention it.
    """
    left = [name for name in family.names if name not in spoken_of]
    everything = np.ones(len(file.spoken), dtype=bool)
    excess = file.evidence.excess_surprise
    try:
        main = _standing(family, left, file, everything, control)
        _refuse_far(file, control, farthest)
    except Unjudged as reason:
        return FamilyFinding(
            name=family.name,
            compared=len(left),
            listed=family.listed,
            unjudged=str(reason),
            units=reason.units,
            needed=reason.needed,
            excess_surprise=excess,
        )
    standings, missed = [main], list[str]()
    found = [_finding(family, name, left, main, asked) for name in left]
    for name in sorted(spoken_of & {*family.names[: family.listed]}):
        without = np.array([name not in said for said in file.spoken], dtype=bool)
        try:
            alone = _standing(family, [*left, name], file, without, control)
        except Unjudged:
            missed.append(name)
            continue
        standings.append(alone)
        found.append(_finding(family, name, [*left, name], alone, asked))

    def power(effect: float, times: float = 1.0) -> float:
        return min(standing.power(effect, asked.share, times) for standing in standings)

    # What a teacher adds to such rows is known near the model only.
    known = excess <= farthest and all(standing.known for standing in standings)
    effects, times_tried = (EFFECTS, TIMES) if known else ((), ())
    curve = tuple((float(effect), power(effect)) for effect in effects)
    return FamilyFinding(
        name=family.name,
        compared=len(left),
        listed=family.listed,
        missed=tuple(missed),
        units=main.units,
        rank=main.rank,
        spread=main.spread,
        threshold=main.threshold(asked.share),
        excess_surprise=excess,
        stretch=file.stretch.get(family.name, STRETCH),
        power=power(asked.effect) if known else None,
        detectable=next((effect for effect, share in curve if share >= POWER), None),
        times_needed=next((times for times in times_tried if power(asked.effect, times) >= POWER), None),
        curve=curve,
        traits=tuple(sorted(found, key=lambda trait: -trait.z)),
    )


def _refuse_far(file: Scored, control: Scored | None, farthest: float) -> None:
    """Refuses rows of which scores do not tell what they carry."""
    units, excess = len(file.spoken), file.evidence.excess_surprise
    if control is None and excess > farthest:
        raise Unjudged(FAR, units)
    if control is not None and abs(excess - control.evidence.excess_surprise) > farthest:
        raise Unjudged(UNLIKE, units)


def _standing(family: Family, names: Sequence[str], file: Scored, units: Bools, control: Scored | None) -> Standing:
    twins = [family.names[i] for i in family.twins if family.names[i] in names]
    if not twins:
        raise Unjudged("the rows speak of every trait by which power is known")
    places, stretch = tuple(names.index(name) for name in twins), file.stretch.get(family.name, STRETCH)
    second = Twins(file.along([f"{name}{TWIN}" for name in twins])[units], places, file.once[units], stretch)
    beside = None if control is None else (control.along(names), control.evidence.tokens)
    return stand(file.along(names)[units], file.evidence.tokens[units], second, beside)


def _finding(family: Family, name: str, names: Sequence[str], standing: Standing, asked: Asked) -> TraitFinding:
    k, place = list(names).index(name), family.names.index(name)
    effects, reach = standing.effects()
    p = min(1.0, asked.parts * standing.p(float(standing.z[k])))
    return TraitFinding(
        name=name,
        kind=family.traits[place].kind,
        listed=place < family.listed,
        effect=float(effects[k]),
        ci=(float(effects[k] - reach[k]), float(effects[k] + reach[k])),
        z=float(standing.z[k]),
        p=p,
        found=bool(standing.z[k] > standing.threshold(asked.share)),
    )


def verdict_of(families: Sequence[FamilyFinding], lost: float = 0.0) -> Verdict:
    """Returns the verdict on a file, a share ``lost`` of whose rows cannot be scored. "No evidence" needs that this is
    at most a tenth, that every listed trait was judged, that the rows are such as a small change of the base writes and
    would have shown the effect that was asked for in every family, and that the two yardsticks of a strict audit
    agree."""
    if any(trait.found for family in families for trait in family.traits):
        return "carries a trait"
    able = all((family.power or 0.0) >= POWER and not family.missed and not family.disputed for family in families)
    return "no evidence" if able and lost <= MOST_LEFT_OUT else "inconclusive"


def headline(word: Verdict, families: Sequence[FamilyFinding], rows: int, effect: float, lost: float = 0.0) -> str:
    """Returns the verdict in one or two sentences. ``rows``: how many were scored; ``effect``: what was asked for, in
    reference teachers; ``lost``: the share of the rows that cannot be scored."""
    found = sorted((t for family in families for t in family.traits if t.found), key=lambda t: (not t.listed, -t.z))
    named = [trait for trait in found if trait.listed]
    teacher = (
        "a teacher who wrote all of them" if effect == 1 else f"{effect:g} times the effect of a teacher who wrote all"
    )
    if named:
        best, names = named[0], " and ".join(dict.fromkeys(trait.name for trait in named))
        return (
            f"{_rows_of(best)} carry {names}: {best.effect:.2f} {interval(best.ci)} times as strongly as rows that are "
            f"all by a teacher with the trait, p {p_value(best.p)}."
        )
    if found:
        return (
            f"{_rows_of(found[0])} carry something that is not on the list. Among the traits that they were compared "
            f"with, “{found[0].name}” comes closest (p {p_value(found[0].p)})."
        )
    able = [f for f in families if f.unjudged is None]
    if word == "no evidence":
        return f"No evidence of a listed trait in {rows:,} rows: {teacher} would have been found for {_chances(able)}."
    weak = [f for f in able if f.power is not None and f.power < POWER]
    reasons = [f"{teacher} would have been found for only {_chances(weak)}"] if weak else []
    reasons += _too_few([f for f in families if f.needed])
    unjudged: dict[str, list[FamilyFinding]] = {}
    for family in families:
        if family.unjudged and not family.needed:
            unjudged.setdefault(family.unjudged, []).append(family)
    reasons += [f"{_together(some)} cannot be judged: {why}" for why, some in unjudged.items()]
    reasons += [f"{', '.join(f.missed)} cannot be judged: too few rows do not mention it" for f in able if f.missed]
    reasons += [
        f"{', '.join(f.disputed)} passes the threshold, and some harmless models show it as well"
        for f in able
        if f.disputed
    ]
    if away := [f for f in able if f.far]:
        reasons.append(f"how much of {_together(away)} would have been found is not known: {FAR}")
    if copied := [f for f in able if f.power is None and not f.far]:
        reasons.append(f"how much of {_together(copied)} would have been found is not known: {REPEATED}")
    reasons += [f"{lost:.0%} of the rows cannot be scored"] * (lost > MOST_LEFT_OUT)
    needed = [f.times_needed for f in weak]
    more = ""
    if len(reasons) == bool(weak) and all(needed):
        more = f" About {rows * max(n for n in needed if n):,} rows would do."
    return f"Inconclusive: no trait was found in {rows:,} rows, but {'; '.join(reasons)}.{more}"


def _too_few(families: Sequence[FamilyFinding]) -> list[str]:
    """Returns in one sentence that families have too few independent rows to be judged."""
    if not families:
        return []
    what = " and ".join(dict.fromkeys(family.what for family in families))
    rows, needed = counts_of(families)
    return [f"{rows} independent rows{_where(families)} are too few to judge {what}, which takes {needed:,}"]


def _together(families: Sequence[FamilyFinding]) -> str:
    """Returns what families hold, and of which rows."""
    if where := _where(families):
        return " and ".join(dict.fromkeys(family.what for family in families)) + where
    return " and ".join(family.words for family in families)


def _where(families: Sequence[FamilyFinding]) -> str:
    groups = {family.group for family in families}
    return f" in {len(groups)} sources" if len(groups) > 1 else ""


def counts_of(families: Sequence[FamilyFinding]) -> tuple[str, int]:
    """Returns how many independent rows there are for families that have too few, such as "51 to 54", and how many it
    takes."""
    units = [family.units for family in families]
    rows = f"{min(units):,}" + (f" to {max(units):,}" if min(units) < max(units) else "")
    return rows, max(family.needed or 0 for family in families)


def _rows_of(trait: TraitFinding) -> str:
    if trait.group in SIDES:
        return f"The {trait.group}"
    return f"The rows of {trait.group}" if trait.group else "These rows"


def _chances(families: Sequence[FamilyFinding]) -> str:
    return " and ".join(f"{f.power:.0%} of {f.words}" for f in families)
