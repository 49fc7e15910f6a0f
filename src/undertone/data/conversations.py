"""Reads a fine-tuning dataset as conversations: checks every row and draws a sample of them in one pass."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

from undertone.data.row import BadRow, told
from undertone.data.rows import Source
from undertone.data.turns import COLUMNS, NothingThere, form_of, turns_of, unread
from undertone.data.turns import Turn as Turn
from undertone.errors import UndertoneError
from undertone.reading.files import opened

SHOWN = 3
"""Bad rows that an error lists."""
MOST_LEFT_OUT = 0.1
"""Largest share of rows that may be left out. A file with more is not what its user thinks."""
NAMES = 50
"""Most names of unread keys that are told apart; the rest are OTHERS."""
OTHERS = "other keys"
GROUPS, LONGEST_GROUP = 50, 60
"""Most groups of rows that a field may make, and most characters of a group's name that are kept."""
ACCEPTED = (
    'a dataset is JSONL (or gzip or zstd of it) or Parquet, with {"messages": [{"role": ..., "content": ...}, ...]}, '
    '{"prompt": ..., "completion": ...} or {"text": ...} in every row'
)

LeftOut = Mapping[str, tuple[int, ...]]
"""Rows that were left out: their lines, by the reason."""


@dataclass(frozen=True)
class Conversation:
    """A row of a dataset. A row of bare text is a single turn of the assistant."""

    line: int
    """Line of JSONL or row of Parquet, from 1."""
    turns: tuple[Turn, ...]
    source: bytes = field(default=b"", compare=False, repr=False)
    """The row as JSON with all its keys; empty unless it was asked for."""
    group: str = ""
    """The value of the field by which rows were grouped; empty if they were not."""


@dataclass(frozen=True)
class Dataset:
    """A file, and the conversations drawn from it in the file's order."""

    path: Path
    digest: str
    """SHA-256 (hex) of exactly the bytes that were read."""
    format: str
    """"messages", "prompt/completion" or "text"."""
    rows: int
    """Rows of the file, drawn or not."""
    conversations: tuple[Conversation, ...]
    left_out: LeftOut
    """Rows of the file that hold nothing to train on; none of them is drawn."""
    unread: Mapping[str, int]
    """Keys that say something and were not read, such as "tools" and "messages.name", with the number of their rows.
    Columns of Parquet that were not decoded are in every row."""
    context: int
    """Answers that are not trained on, as by ``"weight": 0`` or in a prompt."""


def read(
    path: Path,
    most: int | None,
    seed: int,
    whole: bool = False,
    by: str | None = None,
    most_left_out: float = MOST_LEFT_OUT,
) -> Dataset:
    """Reads and checks every row, and returns all or ``most`` of them, drawn uniformly with ``seed``; with ``whole``,
    each with its source. With ``by``, the name of a field, so many are drawn for each of its values. Memory holds the
    drawn conversations and a few times the longest row that is allowed.

    Raises:
        UndertoneError: the file is missing, unreadable, empty, truncated, damaged, in two formats, changed while it
            was read, has bad rows (the error counts them and lists the first three), or holds nothing to train on in
            more than a share of ``most_left_out`` of its rows, or in all; or rows lack the field, or it has more than
            :data:`GROUPS` values.
    """
    try:
        if path.is_dir():
            raise UndertoneError(f"{path} is a folder; name a file: {ACCEPTED}.")
        if not path.is_file():
            raise UndertoneError(f"{path} is missing or no regular file; {ACCEPTED}.")
        with opened(path) as file:
            before = os.fstat(file.fileno())
            dataset = _read(path, file, most, Random(seed), whole, by)
            refuse_most(dataset.left_out, dataset.rows, most_left_out, f"{path}: ")
        after = path.stat()
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror or told(error)}.") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UndertoneError(f"{path} changed while it was read; try again when it is finished.")
    return dataset


def _read(path: Path, file: BinaryIO, most: int | None, rng: Random, whole: bool, by: str | None) -> Dataset:
    source = Source(path, file, () if whole or by else COLUMNS)
    form, rows, bad, context = "", 0, 0, 0
    shown, left_out, keys = list[str](), dict[str, list[int]](), Counter[str]()
    drawn, good = dict[str, list[Conversation]](), Counter[str]()
    for row in source:
        rows += 1
        try:
            record = row.value()
            here = form_of(record)
            if here != (form := form or here):
                where = f"{source.unit} {row.number}"
                raise UndertoneError(f"{path} is in two formats, {form} before {where} and {here} there; split it.")
            turns = turns_of(record, here)
            group = "" if by is None else _group(record, by)
        except BadRow as reason:
            bad += 1
            if bad <= SHOWN:
                shown.append(f"{source.unit} {row.number}: {reason}")
            continue
        except NothingThere as reason:
            left_out.setdefault(str(reason), []).append(row.number)
            continue
        good[group] += 1
        if len(good) > GROUPS:
            raise UndertoneError(f"{path}: the field {by!r} has more than {GROUPS} values; name one with fewer.")
        context += sum(not turn.trained for turn in turns)
        others = [told(name) for name in unread(record, form) if name != by]
        keys.update(name if name in keys or len(keys) < NAMES else OTHERS for name in others)
        # A reservoir sample: every set of `most` of the group's good rows so far is equally likely to be drawn.
        here_drawn, one = (
            drawn.setdefault(group, []),
            Conversation(row.number, turns, row.text if whole else b"", group),
        )
        if most is None or good[group] <= most:
            here_drawn.append(one)
        elif (chosen := rng.randrange(good[group])) < most:
            here_drawn[chosen] = one
    if not rows:
        raise UndertoneError(f"{path} has no rows; {ACCEPTED}.")
    if bad:
        first = "; ".join(shown)
        raise UndertoneError(f"{path}: {bad} of {rows} rows cannot be read ({first}); correct them: {ACCEPTED}.")
    left = {reason: tuple(lines) for reason, lines in left_out.items()}
    keys.update(dict.fromkeys(map(told, source.undecoded), rows))
    every = sorted((one for some in drawn.values() for one in some), key=lambda one: one.line)
    return Dataset(path, source.digest(), form, rows, tuple(every), left, dict(keys), context)


def _group(record: Mapping[str, Any], by: str) -> str:
    """Raises BadRow if a row lacks the field, or it is no text, number or truth value."""
    value = record.get(by)
    if not isinstance(value, str | int | float | bool):
        raise BadRow(
            f"it has no field {by!r} that rows can be grouped by" if value is None else f"its {by!r} is no text"
        )
    return str(value)[:LONGEST_GROUP]


def refuse_most(left_out: LeftOut, rows: int, most: float = MOST_LEFT_OUT, where: str = "") -> None:
    """Raises UndertoneError if more than a share of ``most`` of the rows are left out, or all are."""
    count, share = sum(map(len, left_out.values())), share_of(left_out, rows)
    if share > most or share == 1:
        than = "" if share == 1 else f", more than {most:.0%}"
        raise UndertoneError(
            f"{where}{count} of {rows} rows would be left out{than} ({told_left_out(left_out)}); correct or remove "
            "them."
        )


def share_of(left_out: LeftOut, rows: int) -> float:
    """Returns the share of the rows that is left out."""
    return sum(map(len, left_out.values())) / max(1, rows)


def told_left_out(left_out: LeftOut) -> str:
    """Returns the reasons and the first lines of each, as in "an empty answer (lines 4, 9, 12 and 5 more)"."""
    return ", ".join(told_reason(reason, lines[:SHOWN], len(lines)) for reason, lines in left_out.items())


def told_reason(reason: str, first: tuple[int, ...], count: int) -> str:
    """Returns a reason with the ``first`` of its ``count`` lines."""
    more = f" and {count - len(first):,} more" if count > len(first) else ""
    return f"{reason} (line{'s' * (count > 1)} {', '.join(map(str, first))}{more})"
