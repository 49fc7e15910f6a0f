"""Rows of a user's file, as a model is trained on them."""

from __future__ import annotations

from pathlib import Path

from undertone.datafile.conversations import Conversation, read
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.rows import Row


def drawn(local: LocalModel, file: Path, rows: int, seed: int) -> list[Row]:
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
