"""Judgements of files, by the code of an audit with default settings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from undertone.audit.families import Family
from undertone.audit.findings import FamilyFinding, Verdict
from undertone.audit.verdict import Asked, judged, verdict_of
from undertone.bench.audit.files import File, without
from undertone.bench.audit.findings import KindFinding
from undertone.bench.audit.scoring import ScoredFile
from undertone.statistics.rate import Rate


@dataclass(frozen=True)
class Judged:
    """A file and what the audit says of it."""

    file: File
    families: tuple[FamilyFinding, ...]
    home: str | None
    """The family of the trait that the file carries."""

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return verdict_of(self.families)

    @property
    def found(self) -> tuple[str, ...]:
        """The traits that were found, the strongest first."""
        traits = sorted((t for family in self.families for t in family.traits if t.found), key=lambda t: -t.z)
        return tuple(trait.name for trait in traits)

    @property
    def named(self) -> frozenset[str]:
        """The listed ones among them."""
        return frozenset(t.name for family in self.families for t in family.traits if t.found and t.listed)

    @property
    def lacking(self) -> frozenset[str]:
        """The families that leave the verdict open: they could not be judged, or the rows show too little of them."""
        return frozenset(family.name for family in self.families if verdict_of([family]) == "inconclusive")

    @property
    def margin(self) -> float:
        """How far the largest z is above the threshold of its family; infinitely below it if none was judged."""
        return max((t.z - f.threshold for f in self.families for t in f.traits if f.threshold), default=-float("inf"))


class Judge:
    """Judges files as an audit does that asks for all traits of the embedded world."""

    def __init__(self, families: Sequence[Family], alpha: float, effect: float) -> None:
        self.alpha, self.effect = alpha, effect
        self.families = cache(lambda kind: tuple(without(family, kind) for family in families))

    def judged(self, file: File, scores: ScoredFile, sources: int = 1) -> Judged:
        """Judges a file by its scores, or by those of some of its rows; as one of so many ``sources`` of a file that is
        audited source by source."""
        families = self.families(file.without)
        asked = Asked(self.alpha, self.effect, len(families) * sources)
        found = tuple(judged(one, scores.scored, scores.open, asked, None) for one in families)
        return Judged(file, found, next((one.name for one in families if file.trait in one.names), None))

    def traits(self, file: File) -> list[str]:
        """Returns the names of all traits that are compared when a file is judged."""
        return [name for family in self.families(file.without) for name in family.names]


def rate(hits: Iterable[bool]) -> Rate:
    """Returns the share of hits."""
    counted = list(hits)
    return Rate(sum(counted), len(counted))


def counted(some: Sequence[Judged]) -> KindFinding:
    """Counts what the audit says of files of one group."""
    own = [(one.home, one.file.trait in one.found) for one in some if one.file.trait]
    silent = [one for one in some if not one.found]
    families = dict.fromkeys(family.name for one in some for family in one.families)
    return KindFinding(
        group=some[0].file.group,
        own=rate(hit for _, hit in own),
        own_of={name: rate(hit for home, hit in own if home == name) for name in families},
        wrong=rate(bool(set(one.found) - {one.file.trait}) for one in some),
        named=rate(bool(one.named - {one.file.trait}) for one in some),
        inconclusive=rate(one.verdict == "inconclusive" for one in some),
        lacking={name: Rate(sum(name in one.lacking for one in silent), len(some)) for name in families},
    )
