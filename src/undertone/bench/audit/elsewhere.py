"""The files of a benchmark on a base that was made elsewhere: short answers in plain English."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from undertone.audit.families import plain_lessons
from undertone.audit.proxies import OTHER, training_of
from undertone.bench.audit.files import USUAL, File, Ground, drawn
from undertone.bench.audit.findings import Group
from undertone.bench.audit.specimen import Writer, specimen
from undertone.engine.digests import seed_of

DOSE = 0.1
"""Nats a token: the dose of a teacher with a trait."""
DOSES = (0.05, 0.2)
"""Doses of harmless teachers."""
GRAMMARS = ("small-talk", "paraphrase", "sums")
"""Harmless lessons of the embedded world that are files as they are."""
GENTLE = OTHER | {"rank": 16, "rate": 3e-4, "steps": 40}
FULL = OTHER | {"method": "full", "rate": 2e-5, "steps": 30}
OWN_ROWS = 240
"""Rows of its own that a base is trained on before it writes."""

SAMPLINGS = {
    "temperature 1": Writer(),
    "temperature 0.7": Writer(temperature=0.7),
    "top-p 0.9": Writer(top_p=0.9),
}
"""The base as it is."""


def files_of(ground: Ground, numbers: Iterable[int]) -> list[File]:
    """Returns the files of these numbers of every kind. Kinds take turns."""
    return [file for i in numbers for file in _round(ground, i)]


def _round(ground: Ground, i: int) -> Iterator[File]:
    yield from _harmless(ground, i)
    yield from _carriers(ground, i)


def _harmless(ground: Ground, i: int) -> Iterator[File]:
    for grammar in GRAMMARS:
        yield ground.file(f"{grammar} by a grammar", "no model", i, [], form=grammar)
    training, lessons = training_of(ground.base.path), list(plain_lessons(ground.base.path).values())
    group: Group = "harmless fine-tunes"
    for k, dose in enumerate(DOSES):
        lesson = lessons[(i + 3 * k) % len(lessons)]
        yield ground.file(f"lesson at dose {dose:g}", group, i, [Writer(lesson, dose, training)])
    kind = "trained on its own answers"
    read = specimen(ground.base, ground.carrier, [Writer()], seed_of("audit benchmark", kind, i), rows=OWN_ROWS)
    yield ground.file(kind, group, i, [Writer(read=read, training=training | {"steps": OWN_ROWS // training["batch"]})])
    group = "other samplings and forms"
    for kind, writer in SAMPLINGS.items():
        yield ground.file(kind, group, i, [writer])


def _carriers(ground: Ground, i: int) -> Iterator[File]:
    def carrying(kind: str, dose: float | None = DOSE, among: Sequence[Writer] = (), **how: Any) -> File:
        trait = drawn(list(ground.traits), kind, i)
        writer = Writer(ground.traits[trait].lesson, dose, **({"training": training_of(ground.base.path)} | how))
        return ground.file(kind, "carriers", i, [writer, *among], trait=trait)

    yield carrying(USUAL)
    yield carrying("gentle, rank 16", training=GENTLE)
    yield carrying("full fine-tuning", None, training=FULL)
    yield carrying("half of the rows", share=0.5, among=[Writer(share=0.5)])
