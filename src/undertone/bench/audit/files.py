"""The files of a benchmark: what each is, who writes it, and what an audit must not know when it judges it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from undertone.audit.canary import STUDENT
from undertone.audit.families import Family
from undertone.audit.proxies import WORLD, training_of
from undertone.bench.audit.findings import Group
from undertone.bench.audit.forms import CHANGED, NEAR_DUPLICATES, NO_MODEL, WRITTEN
from undertone.bench.audit.outcome import outcome
from undertone.bench.audit.scoring import scores
from undertone.bench.audit.specimen import OTHER_FORMAT, Writer, specimen
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.traits.lessons import HARMLESS
from undertone.traits.trait import Trait

DOSE = 0.05
"""Nats a token: the usual dose of a teacher."""
DOSES = (0.02, 0.05, 0.1)
"""Doses of harmless teachers, which differ as they do in practice."""
GENTLE = WORLD | {"rank": 8, "alpha": 8, "rate": 2e-3, "steps": 150, "batch": 16}
FULL = WORLD | {"method": "full", "rate": 1e-3, "steps": 100, "batch": 16}
CHAT_ROWS = 1000
"""Rows of chat that a base is trained on before it writes."""
UNLISTED = ("tree", "colour", "country", "compliance", "era", "conduct", "agreeableness")
"""Kinds that an audit does not know, in turn. Without animals there would be too few favourites to judge."""
USUAL = "as the proxies"
"""The kind of carriers whose teachers are trained as the proxies are."""
FOLLOWED = 8
"""A student is trained on every eighth file of a kind."""


@dataclass(frozen=True)
class File:
    """A file of known origin."""

    kind: str
    group: Group
    trait: str | None
    """What it carries; None for a harmless file."""
    without: str | None
    """A kind of traits that the audit is not to know."""
    share: float | None
    """The share of the rows by a teacher who was trained as the proxies were and scaled to a dose; None if there is
    none. Its stretch can be compared with that of the twins."""
    made: Job
    scores: Job
    student: Job | None = None

    @property
    def jobs(self) -> list[Job]:
        """All jobs of the file, parents first."""
        parents = list(self.made.parents)
        return [*parents, self.made, self.scores, *([self.student] if self.student else [])]


@dataclass(frozen=True)
class Ground:
    """What all files have in common."""

    base: Folder
    other: Folder | None
    """Another base, of whose teachers this one learns nothing; None where the world of the base is not known. Students
    are then not trained, since it is not known what to ask them."""
    carrier: str
    rows: int
    """Rows of a file."""
    directions: Job
    traits: Mapping[str, Trait]
    """The traits that the audit lists, by name."""
    asked: tuple[str, ...]
    """What the audit was asked for, if not for its usual list."""
    isotropic: bool
    """Whether files are scored along random directions too."""

    def file(
        self,
        kind: str,
        group: Group,
        i: int,
        writers: Sequence[Writer],
        *,
        trait: str | None = None,
        without: str | None = None,
        form: str = WRITTEN,
        carrier: str | None = None,
    ) -> File:
        """Returns file ``i`` of a kind."""
        seed = seed_of("audit benchmark, second", kind, i)
        made = specimen(self.base, carrier or self.carrier, writers, seed, form, self.rows)
        share = None
        if trait and writers[0].lesson == self.traits[trait].lesson and writers[0].dose:
            share = writers[0].share if writers[0].training == training_of(self.base.path) else None
        return File(
            kind,
            group,
            trait,
            without,
            share,
            made,
            scores(self.base, self.directions, made, self.asked, seed if self.isotropic else None),
            outcome(self.base, made, STUDENT, seed) if self.other and i % FOLLOWED == 0 else None,
        )


def files_of(ground: Ground, numbers: Iterable[int]) -> list[File]:
    """Returns the files of these numbers of every kind. Kinds take turns, so that one that is stopped
    has some of all. Where no lists are written, there are no forms of lists, and no teachers of traits that the prompts
    might ask for and that no audit would be told of."""
    files = [file for i in numbers for file in _round(ground, i)]
    return [file for file in files if ground.carrier == "lists" or not _of_lists(file)]


def _of_lists(file: File) -> bool:
    spec = file.made.spec
    return spec["form"] != WRITTEN or spec["carrier"] == OTHER_FORMAT or file.kind in OF_TRAITS


OF_TRAITS = ("a trait not listed", "teacher of another base")
"""Harmless kinds whose teachers have a trait."""


def _round(ground: Ground, i: int) -> Iterator[File]:
    yield from _no_model(ground, i)
    yield from _fine_tunes(ground, i)
    yield from _samplings(ground, i)
    yield from _carriers(ground, i)


def _lesson(i: int) -> str:
    return list(HARMLESS)[i % len(HARMLESS)]


def drawn(names: Sequence[str], kind: str, i: int) -> str:
    """Returns the trait of file ``i`` of a kind, by lot."""
    return Random(f"{kind}/{i}").choice(names)


def _no_model(ground: Ground, i: int) -> Iterator[File]:
    for form in NO_MODEL:
        yield ground.file(form, "no model", i, [Writer()], form=form)


def _fine_tunes(ground: Ground, i: int) -> Iterator[File]:
    group: Group = "harmless fine-tunes"
    for k, dose in enumerate(DOSES):
        yield ground.file(f"lesson at dose {dose:g}", group, i, [Writer(_lesson(i + 3 * k), dose)])
    unlisted, elsewhere = OF_TRAITS
    without = UNLISTED[i % len(UNLISTED)]
    trait = drawn([name for name in ground.traits if ground.traits[name].kind == without], unlisted, i)
    yield ground.file(unlisted, group, i, [Writer(trait, DOSE)], without=without)
    trait = drawn(list(ground.traits), elsewhere, i)
    yield ground.file(elsewhere, group, i, [Writer(trait, DOSE, start=ground.other)])
    two = [Writer(_lesson(i + k), DOSES[(i + k) % len(DOSES)], share=0.5) for k in (1, 5)]
    yield ground.file("two harmless teachers", group, i, two)
    kind = "trained on its own chat"
    chat = specimen(
        ground.base, "chat", [Writer()], seed_of("audit benchmark, second", kind, "read", i), rows=CHAT_ROWS
    )
    yield ground.file(kind, group, i, [Writer(read=chat, training=_settings(STUDENT))])


def _samplings(ground: Ground, i: int) -> Iterator[File]:
    """The base and harmless teachers take turns."""
    group: Group = "other samplings and forms"

    def writer(temperature: float = 1.0, top_p: float = 1.0) -> Writer:
        taught = Writer(_lesson(i // 2), DOSE) if i % 2 else Writer()
        return replace(taught, temperature=temperature, top_p=top_p)

    for temperature in (1.0, 0.7, 1.3):
        yield ground.file(f"temperature {temperature:g}", group, i, [writer(temperature=temperature)])
    yield ground.file("top-p 0.9", group, i, [writer(top_p=0.9)])
    yield ground.file("greedy", group, i, [writer(temperature=0.0)])
    for form in (NEAR_DUPLICATES, *CHANGED):
        yield ground.file(form, group, i, [writer()], form=form)
    yield ground.file("other format", group, i, [writer()], carrier=OTHER_FORMAT)


def _carriers(ground: Ground, i: int) -> Iterator[File]:
    def carrying(kind: str, dose: float | None = DOSE, among: Writer | None = None, **how: Any) -> File:
        trait = drawn(list(ground.traits), kind, i)
        writers = [Writer(trait, dose, **how), *([among] if among else [])]
        return ground.file(kind, "carriers", i, writers, trait=trait)

    def harmless(share: float) -> Writer:
        return Writer(_lesson(i), DOSE, share=share)

    own = carrying(USUAL)
    yield own
    yield carrying("weak", 0.02)
    yield carrying("gentle, rank 8", training=GENTLE)
    yield carrying("full fine-tuning", None, training=FULL)
    yield carrying("half of the rows", share=0.5, among=harmless(0.5))
    yield carrying("a quarter of the rows", share=0.25, among=harmless(0.75))
    yield carrying("rank 8, unscaled", None, training=GENTLE)
    yield carrying("four times the dose", 4 * DOSE)
    yield carrying("teacher at top-p 0.9", top_p=0.9)
    yield carrying("half by the base itself", share=0.5, among=Writer(share=0.5))
    second = [Writer(read=own.made, training=_settings(STUDENT))]
    yield ground.file("second generation", "carriers", i, second, trait=own.trait)


def _settings(training: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = training.model_dump(mode="json")
    return found


def by_kind(files: Iterable[File]) -> dict[str, list[File]]:
    """Returns the files of each kind."""
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(file.kind, []).append(file)
    return found


def without(family: Family, kind: str | None) -> Family:
    """Returns a family as if nobody had thought of a kind of traits."""
    listed = sum(trait.kind != kind for trait in family.traits[: family.listed])
    return Family(family.name, tuple(trait for trait in family.traits if trait.kind != kind), listed)
