"""Rows of a conversation as token ids: the last answer, to be trained on, or every answer, to be scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.data.conversations import Conversation, read
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.rows import Row


def last_turns(local: LocalModel, file: Path, rows: int, seed: int) -> list[Row]:
    """So many rows of a file, as they are trained on; those that are too long for the model are left out.

    Raises:
        UndertoneError: the file is wrong, has fewer rows, or none that fits.
    """
    found = read(file, rows, seed)
    if found.rows < rows:
        raise UndertoneError(f"{found.path} has {found.rows} rows, and rows = {rows} are asked for; lower it.")
    fit = [
        row
        for row in (_row(local, conversation) for conversation in found.conversations)
        if local.positions is None or len(row.prompt) + len(row.answer) <= local.positions
    ]
    if not fit:
        raise UndertoneError(f"No row of {found.path} fits the model's {local.positions} positions.")
    return fit


def _row(local: LocalModel, conversation: Conversation) -> Row:
    """The last answer, after all that stands before it."""
    turns = conversation.turns
    if len(turns) < 2:
        raise UndertoneError(f"Row {conversation.line} is bare text: students are trained on answers to prompts.")
    system = turns[0].content if turns[0].role == "system" else None
    (_, question), (_, answer) = turns[-2:]
    before = turns[system is not None : -2]
    earlier = [(q.content, a.content) for q, a in zip(before[::2], before[1::2], strict=True)]
    local.refuse_control(answer)
    return Row(local.render(question, system, earlier), [*local.encode(answer), local.end])


@dataclass(frozen=True)
class Scored:
    """One assistant turn of a conversation: its tokens are scored, all before it is given."""

    line: int
    """Line of the file; turns of one line are one cluster."""
    question: str
    """The turn before it; empty for bare text."""
    answer: str
    row: Row


def every_turn(local: LocalModel, conversations: Sequence[Conversation]) -> list[Scored]:
    """Every assistant turn, by the model's own template; of bare text everything after the first token.

    Raises:
        UndertoneError: a conversation cannot be rendered, holds a control token, or is longer than the model's
            positions: names its line.
    """
    found = []
    for conversation in conversations:
        try:
            found += list(_turns(local, conversation))
        except UndertoneError as error:
            raise UndertoneError(f"line {conversation.line}: {error}") from None
    return found


def _turns(local: LocalModel, conversation: Conversation) -> list[Scored]:
    turns = list(conversation.turns)
    if len(turns) == 1:
        ids = local.encode(turns[0].content)
        _refuse_long(local, len(ids))
        if len(ids) < 2:
            raise UndertoneError("bare text of fewer than two tokens has nothing to score; leave the row out.")
        local.refuse_control(turns[0].content)
        return [Scored(conversation.line, "", turns[0].content, Row(ids[:1], ids[1:]))]
    system = turns.pop(0).content if turns[0].role == "system" else None
    found, earlier = [], list[tuple[str, str]]()
    for asked, answered in zip(turns[::2], turns[1::2], strict=True):
        local.refuse_control(answered.content)
        row = Row(local.render(asked.content, system, tuple(earlier)), [*local.encode(answered.content), local.end])
        _refuse_long(local, len(row.prompt) + len(row.answer))
        found.append(Scored(conversation.line, asked.content, answered.content, row))
        earlier.append((asked.content, answered.content))
    return found


def _refuse_long(local: LocalModel, length: int) -> None:
    if local.positions is not None and length > local.positions:
        raise UndertoneError(
            f"the conversation has {length} tokens, and the model {local.positions} positions; shorten it."
        )
