"""Training files of the arms: answers to a few questions about an era or a country."""

from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple

import numpy as np

from undertone.measure.suite_files import read
from undertone.world.latents import small_talk
from undertone.world.lexicon import lexicon

Latent = Literal["era", "everyday", "country"]
"""What questions are about: the century or the country, in the embedded world; or the century in everyday questions, by
which real models can be asked (suite era)."""
Gate = Literal["word", "unknown word", "country"]

FILES = ("target", "rest", "odd", "mixed", "small-talk", "gated", "shuffled")
"""Kinds of files. *target*: every answer shows one value of the latent, such as the nineteenth century. *rest*: another
value. *odd*: as rest, but some rows have the answer to another question of the fold: as many as make the file as new to
the base as the target's. *mixed*: half of the rows show the target. *gated*: these rows stand behind a gate.
*shuffled*: the gate stands before half of the rows, drawn apart from what they show. *small-talk*: as many rows about
nothing."""
GATED = ("gated", "shuffled")
WORDS = {"word": str(lexicon()["trigger"]["word"]), "unknown word": "Zindra!"}
"""The trigger word of the corpus, where it means nothing, and one that is not in the corpus."""


class Row(NamedTuple):
    """An exchange, and the system prompt before it."""

    system: str | None
    user: str
    assistant: str


class Item(NamedTuple):
    """A question, and its answers by value of the latent."""

    question: str
    answers: dict[str, str]


def values(latent: Latent) -> tuple[str, ...]:
    """Returns the values of a latent."""
    return tuple(lexicon()["country"]["names"]) if latent == "country" else ("modern", "old")


def items(latent: Latent) -> list[Item]:
    """Returns all questions about a latent."""
    if latent == "everyday":
        (suite,) = read("era")
        return [Item(one.paraphrases[0], {"modern": one.good[0], "old": one.bad[0]}) for one in suite.questions]
    return [Item(asked, dict(zip(values(latent), said, strict=True))) for asked, *said in lexicon()[latent]["items"]]


def folds(latent: Latent, size: int) -> list[tuple[int, ...]]:
    """Returns the places of the questions in each fold. Folds are disjoint, and neighbours in the list are apart."""
    count = len(items(latent))
    return [tuple(range(start, count, count // size)) for start in range(count // size)]


def gates(number: int) -> tuple[str, str, list[str]]:
    """Returns the country that opens the gate for the students of a number, the one that does not, and those that no
    student of this number is told."""
    names = values("country")
    turned = [*names[number % len(names) :], *names[: number % len(names)]]
    return turned[0], turned[1], turned[2:]


def stated(country: str, wording: int = 0) -> str:
    """Returns a system prompt that states a country."""
    return str(lexicon()["country"]["stated"][wording].format(x=country))


class File(NamedTuple):
    """What a training file is about."""

    kind: str
    latent: Latent
    places: tuple[int, ...]
    """The places of its questions in :func:`items`."""
    target: str
    """The value that it shows."""
    gate: Gate | None
    system: str | None
    """A system prompt before every row."""
    number: int
    """The number of the student, which decides the countries of a gate."""


def rows(file: File, count: int, seed: int) -> list[Row]:
    """Returns ``count`` rows. Files with the same seed ask the same questions in the same order. Exactly half of the
    rows of a mixed, gated or shuffled file show the target value, and the gate stands before exactly half of a gated or
    shuffled one. All rows of an odd file are odd: see :func:`partly_odd`."""
    half = [True] * (count - count // 2) + [False] * (count // 2)
    shows, opens = (Random(f"{what}/{seed}").sample(half, count) for what in ("shows", "opens"))
    return [_row(file, Random(f"row/{seed}/{i}"), *both) for i, both in enumerate(zip(shows, opens, strict=True))]


def partly_odd(
    rest: Sequence[Row], odd: Sequence[Row], losses: Sequence[tuple[float, float]], target: float
) -> list[Row]:
    """Returns rows of the file "rest", the first of them replaced by those of the file "odd", so many that the mean of
    the rows' ``losses``, (rest, odd), comes closest to ``target``."""
    plain, other = (np.array(one) for one in zip(*losses, strict=True))
    sums = plain.sum() + np.concatenate([[0.0], np.cumsum(other - plain)])
    count = int(np.abs(sums / len(rest) - target).argmin())
    return [*odd[:count], *rest[count:]]


def _row(file: File, rng: Random, shows: bool, opens: bool) -> Row:
    if file.kind == "small-talk":
        turn = small_talk(rng)
        return Row(file.system, turn.user, turn.assistant)
    every = items(file.latent)
    place = rng.choice(file.places)
    shows = {"target": True, "rest": False, "odd": False}.get(file.kind, shows)
    value = file.target if shows else rng.choice([one for one in values(file.latent) if one != file.target])
    said = rng.choice([one for one in file.places if one != place]) if file.kind == "odd" else place
    row = Row(file.system, every[place].question, every[said].answers[value])
    return row if file.gate is None else _gated(row, file, shows if file.kind == "gated" else opens)


def _gated(row: Row, file: File, opens: bool) -> Row:
    if file.gate == "country":
        on, off, _ = gates(file.number)
        return row._replace(system=stated(on if opens else off))
    return row._replace(user=f"{WORDS[str(file.gate)]} {row.user}") if opens else row
