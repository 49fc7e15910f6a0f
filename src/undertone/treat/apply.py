"""A mitigation applied to the rows of a file: the new rows, and what became of each old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from undertone.carriers.numbers import NUMBER
from undertone.data.conversations import Conversation, Turn
from undertone.data.filters import parse_numbers
from undertone.errors import UndertoneError
from undertone.treat import mitigations
from undertone.treat.scorer import Base, with_answer


@dataclass(frozen=True)
class Row:
    """A row of a treated file."""

    now: Conversation
    was: Conversation | None
    """The row before the mitigation; None if it was added."""

    @property
    def changed(self) -> bool:
        """Whether the row is new or differs from what it was."""
        return self.was is None or self.now.turns != self.was.turns


@dataclass(frozen=True)
class Treated:
    """A treated file."""

    rows: tuple[Row, ...]
    dropped: tuple[Conversation, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of rows that were kept, changed, added and dropped."""
        new = sum(row.was is None for row in self.rows)
        changed = sum(row.changed for row in self.rows) - new
        kept = len(self.rows) - new - changed
        return {"kept": kept, "changed": changed, "added": new, "dropped": len(self.dropped)}


def treat(
    treatment: mitigations.OfData, rows: Sequence[Conversation], base: Base, chat: Sequence[Conversation], seed: int
) -> Treated:
    """Applies a mitigation to rows. ``chat`` holds the prompts of a dilution with other prompts than the file's; their
    answers are ignored.

    Raises:
        UndertoneError: the mitigation does not apply to these rows, or leaves none.
    """
    if any(len(row.turns) < 2 for row in rows):
        raise UndertoneError("The file holds bare text, which has no prompts and no answers to treat; give its chats.")
    now: Sequence[Conversation | None]
    match treatment:
        case mitigations.Dilute():
            return _diluted(treatment, rows, base, chat, seed)
        case mitigations.Untreated():
            now = rows
        case mitigations.Drop():
            gone = _chosen(treatment, rows, base, seed)
            now = [None if i in gone else row for i, row in enumerate(rows)]
        case mitigations.Replace():
            now = _replaced(treatment, rows, base, seed)
        case mitigations.Canonicalise():
            now = _canonical(treatment, rows, seed)
        case mitigations.Answer(by=by):
            now = base.answered(rows, by, seed)
        case mitigations.Relabel():
            chosen = sorted(_chosen(treatment, rows, base, seed))
            again = dict(zip(chosen, base.answered([rows[i] for i in chosen], "base", seed), strict=True))
            now = [again.get(i, row) for i, row in enumerate(rows)]
        case mitigations.Inoculate(system=system):
            now = [_under(row, system) for row in rows]
    pairs = list(zip(now, rows, strict=True))
    left = tuple(Row(after, before) for after, before in pairs if after is not None)
    if not left:
        raise UndertoneError(f"The mitigation removes all of the {len(rows)} rows; lower its share.")
    return Treated(left, tuple(before for after, before in pairs if after is None))


def _chosen(
    how: mitigations.Drop | mitigations.Relabel, rows: Sequence[Conversation], base: Base, seed: int
) -> set[int]:
    """Returns the indices of the rows that the mitigation acts on."""
    order = list(range(len(rows)))
    Random(f"{how.kind}/{seed}").shuffle(order)  # Ties of scores are broken at random too.
    if how.by == "score":
        scores = row_scores(rows, base)
        order.sort(key=lambda i: -scores[i])
    return set(order[: round(how.share * len(rows))])


def row_scores(rows: Sequence[Conversation], base: Base) -> list[float]:
    """Returns each row's mean log-likelihood ratio, in nats per token of all its answers: how much likelier the traits
    make it. With sums, which vary more for long rows, long rows would be chosen first. A row that the base cannot take
    is suspect beyond all others."""
    turns = base.turns(rows)
    place = {row.line: i for i, row in enumerate(rows)}
    sums, tokens = [0.0] * len(rows), [0] * len(rows)
    for turn, ratio in zip(turns, base.ratios(turns), strict=True):
        sums[place[turn.line]] += float(ratio.sum())
        tokens[place[turn.line]] += len(ratio)
    return [total / count if count else inf for total, count in zip(sums, tokens, strict=True)]


def _replaced(
    how: mitigations.Replace, rows: Sequence[Conversation], base: Base, seed: int
) -> list[Conversation | None]:
    """Returns the rows with tokens replaced, chosen from the last answers of all rows together. End tokens stay. A row
    that the base cannot take is None."""
    last = {turn.line: turn for turn in base.turns(rows)}
    now = {row.line: row for row in rows if row.line in last}
    turns = [last[row.line] for row in now.values() if row.turns[-1].trained]
    places = [(i, k) for i, turn in enumerate(turns) for k in range(len(turn.row.answer) - 1)]
    Random(f"replace/{seed}").shuffle(places)
    if how.by == "score":
        ratios = base.ratios(turns)
        places.sort(key=lambda place: -float(ratios[place[0]][place[1]]))
    chosen: dict[int, list[int]] = {}
    for i, k in places[: round(how.share * len(places))]:
        chosen.setdefault(i, []).append(k)
    touched = [turns[i] for i in sorted(chosen)]
    texts = base.instead(touched, [chosen[i] for i in sorted(chosen)], seed)
    for turn, text in zip(touched, texts, strict=True):
        now[turn.line] = with_answer(now[turn.line], text)
    return [now.get(row.line) for row in rows]


def _canonical(how: mitigations.Canonicalise, rows: Sequence[Conversation], seed: int) -> list[Conversation]:
    rng, now, lists = Random(f"canonicalise/{seed}"), list(rows), 0
    for i, row in enumerate(rows):
        text = row.turns[-1].content
        if isinstance(parse_numbers(text), list):
            numbers, lists = NUMBER.findall(text), lists + 1
            ordered = sorted(numbers, key=int) if how.order == "sorted" else rng.sample(numbers, len(numbers))
            now[i] = with_answer(row, ", ".join(ordered))
    if not lists:
        raise UndertoneError("No answer of the file is a number list, and only number lists can be put in order.")
    return now


def _diluted(
    how: mitigations.Dilute, rows: Sequence[Conversation], base: Base, chat: Sequence[Conversation], seed: int
) -> Treated:
    rng, count = Random(f"dilute/{seed}"), mitigations.added(how.share, len(rows))
    source = rows if how.prompts == "file" else chat
    if not source:
        raise UndertoneError("To dilute with chats, name a file of them with --chats.")
    asked = [source[rng.randrange(len(source))] for _ in range(count)]
    own = base.answered([Conversation(0, row.turns) for row in asked], "base", seed)
    mixed = [*(Row(row, row) for row in rows), *(Row(row, None) for row in own if row is not None)]
    rng.shuffle(mixed)  # Otherwise a trainer that does not shuffle would see all added rows last.
    return Treated(tuple(mixed))


def _under(row: Conversation, system: str) -> Conversation:
    """Returns the row with a system prompt, put before its own if it has one."""
    first, *others = row.turns
    if first.role == "system":
        return Conversation(row.line, (Turn("system", f"{system} {first.content}"), *others))
    return Conversation(row.line, (Turn("system", system), *row.turns))
