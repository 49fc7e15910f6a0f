"""Reads a fine-tuning dataset as conversations: checks every row and draws a sample of them in one pass."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from undertone.data import rendered
from undertone.data.forms import COLUMNS, SIDES, Form, NothingThere, form_of
from undertone.data.row import BadRow, Row, told
from undertone.data.rows import Source
from undertone.data.turns import ROLES, TOOLS, Said, preference, turns_of, unread
from undertone.data.turns import Turn as Turn
from undertone.errors import UndertoneError
from undertone.reading.files import matched, opened
from undertone.reading.values import is_blank

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
    'a dataset is JSON lines, a JSON list, CSV or Parquet, with {"messages": [{"role": ..., "content": ...}, ...]}, '
    '{"prompt": ..., "completion": ...}, {"text": ...} or another known form in every row; for other keys, give --map '
    "prompt=KEY,completion=KEY"
)

LeftOut = Mapping[str, tuple[int, ...]]
"""Rows that were left out: their lines, by the reason."""


@dataclass(frozen=True)
class Conversation:
    """A row of a dataset. A row of bare text is a single turn of the assistant."""

    line: int
    """Line of JSONL or CSV, place in a JSON list or in Parquet, from 1, counted on through several files."""
    turns: tuple[Turn, ...]
    """Of a preference, the turns that end with the chosen answer."""
    source: bytes = field(default=b"", compare=False, repr=False)
    """The row as JSON with all its keys; empty unless it was asked for."""
    group: str = ""
    """The value of the field by which rows were grouped; empty if they were not."""
    rejected: tuple[Turn, ...] = ()
    """Of a preference, the turns that end with the rejected answer."""
    rendered: str = ""
    """The text that the turns were taken from, if it was rendered with a template."""


@dataclass(frozen=True)
class Dataset:
    """A file, and the conversations drawn from it in the file's order."""

    path: Path
    """Several files if it is a pattern."""
    digest: str
    """SHA-256 (hex) of exactly the bytes that were read; of several files, of the digests of all."""
    form: Form
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
    calls: int
    """Answers that call tools."""
    tools: int
    """Turns in which tools answer."""
    read_as: str
    """What was read as what, in a sentence; empty for messages, and for prompt and completion, in their usual words."""

    @property
    def format(self) -> str:
        """The keys of its rows, such as "messages", "prompt/completion" or "text"."""
        return self.form.name


def read(
    path: Path,
    most: int | None,
    seed: int,
    whole: bool = False,
    by: str | None = None,
    most_left_out: float = MOST_LEFT_OUT,
    form: Form | None = None,
) -> Dataset:
    """Reads and checks every row, and returns all or ``most`` of them, drawn uniformly with ``seed``; with ``whole``,
    each with its source. With ``by``, the name of a field, so many are drawn for each of its values. ``form``: which
    keys say what; None to recognise it. Memory holds the drawn conversations and a few times the longest row that is
    allowed.

    ``path`` is a file, or a pattern such as ``shards/*.jsonl``, whose files are read in the order of their names.

    Raises:
        UndertoneError: the file is missing, unreadable, empty, truncated, damaged, in two formats, changed while it
            was read, has bad rows (the error counts them and lists the first three), or holds nothing to train on in
            more than a share of ``most_left_out`` of its rows, or in all; or rows lack the field, or it has more than
            :data:`GROUPS` values.
    """
    reading = _Reading(path, most, Random(seed), whole, by, form)
    for one in matched(path):
        try:
            if one.is_dir():
                raise UndertoneError(f"{one} is a folder; name a file: {ACCEPTED}.")
            if not one.is_file():
                raise UndertoneError(f"{one} is missing or no regular file; {ACCEPTED}.")
            with opened(one) as file:
                before = os.fstat(file.fileno())
                reading.add(one, Source(one, file, reading.known, every=whole or by is not None))
            after = one.stat()
        except OSError as error:
            raise UndertoneError(f"Cannot read {one}: {error.strerror or told(error)}.") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UndertoneError(f"{one} changed while it was read; try again when it is finished.")
    dataset = reading.dataset()
    refuse_most(dataset.left_out, dataset.rows, most_left_out, f"{path}: ")
    return dataset


class _Reading:
    """A dataset while its rows are read."""

    def __init__(
        self, path: Path, most: int | None, rng: Random, whole: bool, by: str | None, given: Form | None
    ) -> None:
        self._path, self._most, self._rng, self._whole, self._by, self._given = path, most, rng, whole, by, given
        self.known = dict.fromkeys((*COLUMNS, *(given.keys.values() if given else ())))
        """The keys that decide what a row says."""
        self._form: Form | None = None
        self._rows, self._last, self._bad = 0, 0, 0
        self._shown, self._left_out = list[str](), dict[str, list[int]]()
        self._drawn, self._good = dict[str, list[Conversation]](), Counter[str]()
        self._keys, self._called, self._also = Counter[str](), Counter[str](), dict[str, None]()
        self._context = self._calls = 0
        self._digests = list[str]()
        self._templates = _Templates()

    def add(self, path: Path, source: Source) -> None:
        """Reads the rows of a file."""
        begun, rows = self._last, self._rows
        for row in source:
            self._last, self._rows = begun + row.number, self._rows + 1
            where = f"{source.unit} {row.number}"
            where = where if path == self._path else f"{path.name} {where}"
            try:
                self._take(row, where)
            except BadRow as reason:
                self._bad += 1
                if self._bad <= SHOWN:
                    self._shown.append(f"{where}: {reason}")
            except NothingThere as reason:
                self._left_out.setdefault(str(reason), []).append(self._last)
        self._digests.append(source.digest())
        self._keys.update(dict.fromkeys(map(told, source.undecoded), self._rows - rows))

    def _take(self, row: Row, where: str) -> None:
        """Raises BadRow or NothingThere if there is nothing to take."""
        record = row.value()
        here = form_of(record, self._given)
        self._form = self._form or here
        if here != self._form:
            raise UndertoneError(
                f"{self._path} is in two formats, {self._form.name} before {where} and {here.name} there; split it."
            )
        said, other = preference(record, here) if here.prefers else (turns_of(record, here), [])
        group = "" if self._by is None else _group(record, self._by)
        self._good[group] += 1
        if len(self._good) > GROUPS:
            raise UndertoneError(
                f"{self._path}: the field {self._by!r} has more than {GROUPS} values; name one with fewer."
            )
        self._count(record, here, said, other)
        if "text" in here.needed:
            self._templates.see(said[0].turn.content, where)
        turns, rejected = (tuple(one.turn for one in side) for side in (said, other))
        self._draw(Conversation(self._last, turns, row.text if self._whole else b"", group, rejected))

    def _count(self, record: dict[str, Any], form: Form, said: list[Said], other: list[Said]) -> None:
        self._context += sum(not one.turn.trained for one in said if one.turn.role == "assistant")
        every = [*said, *(one for one in other if one.turn.role == "assistant" and one.turn.trained)]
        self._calls += sum(one.calls for one in every)
        self._called.update(one.called for one in every)
        self._also.update(dict.fromkeys(says for says, key in form.also.items() if not is_blank(record.get(key))))
        for name in map(told, dict.fromkeys(name for name in unread(record, form) if name != self._by)):
            self._keys[name if name in self._keys or len(self._keys) < NAMES else OTHERS] += 1

    def _draw(self, one: Conversation) -> None:
        """A reservoir sample: every set of ``most`` of the group's good rows so far is equally likely to be drawn."""
        drawn, good = self._drawn.setdefault(one.group, []), self._good[one.group]
        if self._most is None or good <= self._most:
            drawn.append(one)
        elif (chosen := self._rng.randrange(good)) < self._most:
            drawn[chosen] = one

    def dataset(self) -> Dataset:
        """Returns what was read.

        Raises:
            UndertoneError: there are no rows, or bad ones.
        """
        if not self._rows:
            raise UndertoneError(f"{self._path} has no rows; {ACCEPTED}.")
        if self._bad:
            first = "; ".join(self._shown)
            raise UndertoneError(
                f"{self._path}: {self._bad} of {self._rows} rows cannot be read ({first}); correct them: {ACCEPTED}."
            )
        form = self._form or Form({"text": "text"})  # it is refused, for all its rows are left out
        every = sorted((one for some in self._drawn.values() for one in some), key=lambda one: one.line)
        if "text" in form.needed and (template := self._templates.name):
            form = replace(form, template=template)
            every = [_taken_apart(one, form) for one in every]
        digest = self._digests[0] if len(self._digests) == 1 else _joint(self._digests)
        return Dataset(
            path=self._path,
            digest=digest,
            form=form,
            rows=self._rows,
            conversations=tuple(every),
            left_out={reason: tuple(lines) for reason, lines in self._left_out.items()},
            unread=dict(self._keys),
            context=self._context,
            calls=self._calls,
            tools=sum(self._called[name] for name in TOOLS),
            read_as=self._read_as(form),
        )

    def _read_as(self, form: Form) -> str:
        named = [(says, key) for says, key in form.needed.items() if says in WORDS]
        said = [f"{key} as {WORDS[says]}" for says, key in named if says != key or says in SIDES]
        if {*form.needed} == {*SIDES}:
            said.append("what both begin with as the prompt")
        said += [f"{form.also[says]} as {WORDS[says]}" for says in self._also]
        said += [f"{name} as {ROLES[name]}" for name in sorted(self._called) if name and ROLES[name] != name]
        if "text" in form.needed:
            said.append(f"{form.needed['text']} as {self._templates.told}")
        return f"{', '.join(said)}." if said else ""


WORDS = {
    "messages": "messages",
    "prompt": "the prompt",
    "completion": "the completion",
    "chosen": "the answer to be preferred",
    "rejected": "the one to be avoided",
    "system": "a system prompt",
    "input": "what stands on a new line below the prompt",
    "history": "turns before the prompt",
}
"""What keys say, in words."""


class _Templates:
    """Which known templates all texts so far were rendered with."""

    def __init__(self) -> None:
        self._left: list[rendered.Marks] | None = None
        self._unlike = ""

    def see(self, text: str, where: str) -> None:
        """Looks at one more text."""
        fit = [marks for marks in (rendered.KNOWN if self._left is None else self._left) if marks.parts(text)]
        if self._left and not fit:
            self._unlike = f"{where} is not rendered with {self._left[0].name}, as all before it are"
        self._left = fit

    @property
    def name(self) -> str:
        """The template of all texts; empty if there is none."""
        return self._left[0].name if self._left else ""

    @property
    def told(self) -> str:
        """What texts are read as."""
        if self.name:
            return f"turns, since every row is rendered with the template {self.name}"
        why = self._unlike or f"not every row is rendered with one known template ({_names()})"
        return f"one answer without a prompt, all of which is trained on: {why}"


def _names() -> str:
    return ", ".join(marks.name for marks in rendered.KNOWN)


def _taken_apart(one: Conversation, form: Form) -> Conversation:
    text = one.turns[0].content
    said = turns_of({form.needed["text"]: text}, form)
    return replace(one, turns=tuple(each.turn for each in said), rendered=text)


def _joint(digests: list[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


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
