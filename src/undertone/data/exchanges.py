"""Chats as JSONL, one ``{"messages": [...]}`` a line, which any trainer reads."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

Exchange = tuple[str, str]
"""A question and its answer."""

FILE = "rows.jsonl"
SYSTEM = "system.txt"
"""File with the system prompt that makes the base a teacher; empty if the teacher has none."""


def write_exchanges(folder: Path, exchanges: Sequence[Exchange]) -> None:
    """Writes exchanges as chats to a dataset's folder."""
    write_chats(folder / FILE, ([("user", question), ("assistant", answer)] for question, answer in exchanges))


def write_chats(path: Path, chats: Iterable[Iterable[tuple[str, str]]]) -> None:
    """Writes chats, each a list of turns (role, content)."""
    with path.open("w", encoding="utf-8") as file:
        for turns in chats:
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def read_exchanges(folder: Path) -> list[Exchange]:
    """Reads the exchanges of a dataset, in order; of longer chats, the last."""
    with (folder / FILE).open(encoding="utf-8") as file:
        chats = [json.loads(line)["messages"] for line in file]
    return [(chat[-2]["content"], chat[-1]["content"]) for chat in chats]
