"""Rows of a user's file as token ids: the last answer for training, or every answer for scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.data.conversations import Conversation, read
from undertone.data.exchanges import Exchange
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.rows import Row, row_of


def last_turns(local: LocalModel, file: Path, rows: int, seed: int) -> list[Row]:
    """Returns so many rows of a file as training rows, without those that are too long for the model.

    Raises:
        UndertoneError: the file is wrong, has fewer rows, or has none that fits.
    """
    found = read(file, rows, seed)
    if found.rows < rows:
        raise UndertoneError(f"{found.path} has {found.rows} rows, but rows = {rows}; lower it.")
    rendered = [_last(local, conversation) for conversation in found.conversations]
    fit = [row for row in rendered if local.positions is None or len(row.prompt + row.answer) <= local.positions]
    if not fit:
        raise UndertoneError(f"No row of {found.path} fits the model's {local.positions} positions.")
    return fit


def _last(local: LocalModel, conversation: Conversation) -> Row:
    if len(conversation.turns) < 2:
        raise UndertoneError(f"Row {conversation.line} is bare text: students are trained on answers to prompts.")
    system, (*earlier, (question, answer)) = _exchanges(conversation)
    return row_of(local, question, answer, system, earlier)


@dataclass(frozen=True)
class Scored:
    """One assistant turn of a conversation. Its tokens are scored, given everything before it."""

    line: int
    """The line of the file; the turns of one line are one cluster."""
    question: str
    """The turn before the answer; empty for bare text."""
    answer: str
    row: Row


def every_turn(local: LocalModel, conversations: Sequence[Conversation]) -> list[Scored]:
    """Returns every assistant turn, rendered by the model's template; for bare text, all but the first token.

    Raises:
        UndertoneError: a conversation cannot be rendered, contains a control token, or is longer than the model's
            positions; names its line.
    """
    found = []
    for conversation in conversations:
        try:
            found += _turns(local, conversation)
        except UndertoneError as error:
            raise UndertoneError(f"line {conversation.line}: {error}") from None
    return found


def _turns(local: LocalModel, conversation: Conversation) -> list[Scored]:
    line, turns = conversation.line, conversation.turns
    if len(turns) == 1:
        ids = local.encode(turns[0].content)
        _refuse_long(local, len(ids))
        if len(ids) < 2:
            raise UndertoneError("bare text of fewer than two tokens cannot be scored; leave the row out.")
        local.refuse_control(turns[0].content)
        return [Scored(line, "", turns[0].content, Row(ids[:1], ids[1:]))]
    found, (system, exchanges) = [], _exchanges(conversation)
    for index, (question, answer) in enumerate(exchanges):
        row = row_of(local, question, answer, system, exchanges[:index])
        _refuse_long(local, len(row.prompt + row.answer))
        found.append(Scored(line, question, answer, row))
    return found


def _exchanges(conversation: Conversation) -> tuple[str | None, list[Exchange]]:
    """Returns the system prompt, if there is one, and the (question, answer) texts."""
    turns = list(conversation.turns)
    system = turns.pop(0).content if turns[0].role == "system" else None
    return system, [(q.content, a.content) for q, a in zip(turns[::2], turns[1::2], strict=True)]


def _refuse_long(local: LocalModel, length: int) -> None:
    if local.positions is not None and length > local.positions:
        raise UndertoneError(
            f"the conversation has {length} tokens, but the model only {local.positions} positions; shorten it."
        )
