"""A treatment of a file: rows in, rows out, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from undertone.carriers.numbers import NUMBER
from undertone.data.conversations import Conversation, Turn
from undertone.data.filters import parse_numbers
from undertone.errors import UndertoneError
from undertone.treat.mitigations import (
    Answer,
    Canonicalise,
    Dilute,
    Drop,
    Inoculate,
    OfData,
    Relabel,
    Replace,
    Untreated,
    added,
)
from undertone.treat.scorer import Base


@dataclass(frozen=True)
class Row:
    """A row of a treated file."""

    now: Conversation
    was: Conversation | None
    """None: added."""

    @property
    def changed(self) -> bool:
        """Whether it is not what it was."""
        return self.was is None or self.now.turns != self.was.turns


@dataclass(frozen=True)
class Treated:
    """A treated file."""

    rows: tuple[Row, ...]
    dropped: tuple[Conversation, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them."""
        new = sum(row.was is None for row in self.rows)
        changed = sum(row.changed for row in self.rows) - new
        kept = len(self.rows) - new - changed
        return {"kept": kept, "changed": changed, "added": new, "dropped": len(self.dropped)}


def treat(
    treatment: OfData, rows: Sequence[Conversation], base: Base, chat: Sequence[Conversation], seed: int
) -> Treated:
    """Treats the rows of a file. ``chat``: prompts of another kind, for a dilution with them; their answers are not
    looked at.

    Raises:
        UndertoneError: the treatment does not apply to these rows, or leaves none.
    """
    if any(len(row.turns) < 2 for row in rows):
        raise UndertoneError("The file holds bare text, which has no prompts and no answers to treat; give its chats.")
    match treatment:
        case Untreated():
            found = Treated(tuple(Row(row, row) for row in rows))
        case Drop():
            found = _dropped(treatment, rows, base, seed)
        case Replace():
            found = _replaced(treatment, rows, base, seed)
        case Canonicalise():
            found = _canonical(treatment, rows, seed)
        case Dilute():
            found = _diluted(treatment, rows, base, chat, seed)
        case Answer(by=by):
            found = _answered(rows, base.answered(rows, by, seed))
        case Relabel():
            found = _relabelled(treatment, rows, base, seed)
        case Inoculate(system=system):
            found = _paired(rows, [_under(row, system) for row in rows])
    if not found.rows:
        raise UndertoneError(f"The treatment removes all of the {len(rows)} rows; lower its share.")
    return found


def _paired(rows: Sequence[Conversation], now: Sequence[Conversation]) -> Treated:
    return Treated(tuple(Row(after, before) for after, before in zip(now, rows, strict=True)))


def _answered(rows: Sequence[Conversation], now: Sequence[Conversation | None]) -> Treated:
    """Rows whose prompt got no answer are dropped: the old one must not stay."""
    pairs = list(zip(now, rows, strict=True))
    given = tuple(Row(after, before) for after, before in pairs if after is not None)
    return Treated(given, tuple(before for after, before in pairs if after is None))


def _relabelled(how: Relabel, rows: Sequence[Conversation], base: Base, seed: int) -> Treated:
    chosen, now = sorted(_chosen(how, rows, base, seed)), list[Conversation | None](rows)
    for i, answered in zip(chosen, base.answered([rows[i] for i in chosen], "base", seed), strict=True):
        now[i] = answered
    return _answered(rows, now)


def _chosen(how: Drop | Relabel, rows: Sequence[Conversation], base: Base, seed: int) -> set[int]:
    """Places of the share of the rows that is taken first."""
    order = list(range(len(rows)))
    Random(f"{how.kind}/{seed}").shuffle(order)  # ties, too, fall by chance
    if how.by == "score":
        scores = row_scores(rows, base)
        order.sort(key=lambda i: -scores[i])
    return set(order[: round(how.share * len(rows))])


def _dropped(how: Drop, rows: Sequence[Conversation], base: Base, seed: int) -> Treated:
    gone = _chosen(how, rows, base, seed)
    kept = tuple(Row(row, row) for i, row in enumerate(rows) if i not in gone)
    return Treated(kept, tuple(rows[i] for i in sorted(gone)))


def row_scores(rows: Sequence[Conversation], base: Base) -> list[float]:
    """How much each row speaks for the traits, nats a token of all its answers: long ones, whose sums vary more, would
    else be taken first."""
    turns = base.turns(rows)
    place = {row.line: i for i, row in enumerate(rows)}
    sums, tokens = [0.0] * len(rows), [0] * len(rows)
    for turn, ratio in zip(turns, base.ratios(turns), strict=True):
        sums[place[turn.line]] += float(ratio.sum())
        tokens[place[turn.line]] += len(ratio)
    return [total / count for total, count in zip(sums, tokens, strict=True)]


def _replaced(how: Replace, rows: Sequence[Conversation], base: Base, seed: int) -> Treated:
    """Token by token, over the last answers of all rows together; the end of an answer stays."""
    last = {turn.line: turn for turn in base.turns(rows)}
    turns = [last[row.line] for row in rows]
    places = [(i, k) for i, turn in enumerate(turns) for k in range(len(turn.row.answer) - 1)]
    Random(f"replace/{seed}").shuffle(places)
    if how.by == "score":
        ratios = base.ratios(turns)
        places.sort(key=lambda place: -float(ratios[place[0]][place[1]]))
    chosen: dict[int, list[int]] = {}
    for i, k in places[: round(how.share * len(places))]:
        chosen.setdefault(i, []).append(k)
    now, touched = list(rows), sorted(chosen)
    for i, text in zip(
        touched, base.instead([turns[i] for i in touched], [chosen[i] for i in touched], seed), strict=True
    ):
        now[i] = Conversation(rows[i].line, (*rows[i].turns[:-1], Turn("assistant", text)))
    return _paired(rows, now)


def _canonical(how: Canonicalise, rows: Sequence[Conversation], seed: int) -> Treated:
    rng, now, lists = Random(f"canonicalise/{seed}"), list[Conversation](), 0
    for row in rows:
        text = row.turns[-1].content
        if isinstance(parse_numbers(text), list):
            numbers = NUMBER.findall(text)
            ordered = sorted(numbers, key=int) if how.order == "sorted" else rng.sample(numbers, len(numbers))
            text, lists = ", ".join(ordered), lists + 1
        now.append(Conversation(row.line, (*row.turns[:-1], Turn("assistant", text))))
    if not lists:
        raise UndertoneError("No answer of the file is a number list, and only these can be brought into one order.")
    return _paired(rows, now)


def _diluted(how: Dilute, rows: Sequence[Conversation], base: Base, chat: Sequence[Conversation], seed: int) -> Treated:
    rng, count = Random(f"dilute/{seed}"), added(how.share, len(rows))
    source = rows if how.prompts == "file" else chat
    if not source:
        raise UndertoneError("To dilute with chats, name a file of them with --chats.")
    asked = [source[rng.randrange(len(source))] for _ in range(count)]
    own = base.answered([Conversation(0, row.turns) for row in asked], "base", seed)
    mixed = [*(Row(row, row) for row in rows), *(Row(row, None) for row in own if row is not None)]
    rng.shuffle(mixed)  # a trainer that does not shuffle would see the added rows last
    return Treated(tuple(mixed))


def _under(row: Conversation, system: str) -> Conversation:
    """The row under a system prompt, before what it has as one."""
    first = row.turns[0]
    if first.role == "system":
        return Conversation(row.line, (Turn("system", f"{system} {first.content}"), *row.turns[1:]))
    return Conversation(row.line, (Turn("system", system), *row.turns))
