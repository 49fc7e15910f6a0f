"""Chat rows as text: one ``{"messages": [...]}`` a line, which any trainer takes."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

Exchange = tuple[str, str]
"""A question and its answer."""

FILE = "rows.jsonl"
SYSTEM = "system.txt"
"""The system prompt that makes the base a teacher; empty where the teacher has none."""


def write_exchanges(folder: Path, exchanges: Sequence[Exchange]) -> None:
    """Writes (question, answer) texts as chats of one exchange."""
    write_chats(folder / FILE, ([("user", question), ("assistant", answer)] for question, answer in exchanges))


def write_chats(path: Path, chats: Iterable[Sequence[tuple[str, str]]]) -> None:
    """Writes chats of (role, content) turns."""
    with path.open("w", encoding="utf-8") as file:
        for turns in chats:
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def read_exchanges(folder: Path) -> list[tuple[str, str]]:
    """The (question, answer) texts of a dataset, in order."""
    with (folder / FILE).open(encoding="utf-8") as file:
        chats = [json.loads(line)["messages"] for line in file]
    return [(chat[-2]["content"], chat[-1]["content"]) for chat in chats]
