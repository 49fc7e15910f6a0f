"""Files of rows, as audit and treat read them: no text goes unseen, and none is lost when its row is written back."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import zstandard

from tests.fuzz.harness import Case
from undertone.data.conversations import Conversation, Dataset, read
from undertone.data.rewriting import rewritten

KEYS = (
    "messages", "prompt", "completion", "text", "system", "conversations", "input_ids", "tools", "id", "role",
    "content", "chat_template_kwargs", "reasoning_content", "thinking", "weight", "train", "loss", "\x1b[2J",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 1e308, 10**30, math.nan, "", " ", "user", "assistant", "system", "tool", [], {},
    [[]], {"chat_template": "x"}, [{"type": "text", "text": "part"}], [{"type": "thinking", "thinking": "part"}],
    "\ud800", "a\0b", "\r\n", "x" * 10_000,
)  # fmt: skip
PACKED: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, gzip.compress, zstandard.compress)


def prepare(_: Path) -> Case:
    """Each case writes some rows, most of them sound, and reads them; one of eight is Parquet."""
    return _tried


def _tried(rng: Random, place: Path) -> str:
    form = rng.choice(("messages", "messages", "prompt", "text"))
    rows = [_row(rng, form, number) for number in range(rng.choice((1, 12, 40)))]
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _mutate(rng, rng.choice(rows))
    path = place / "rows"
    path.write_bytes(_damaged(rng, _written(rng, rows)))
    found = read(path, None, 0, whole=True)
    for row in found.conversations:
        _check(rng, row, found, place)
    if found.left_out:
        return "left out"
    return "told" if found.unread or found.context else "read"


def _row(rng: Random, form: str, number: int) -> dict[str, Any]:
    """A sound row. Every text in it has a word that is nowhere else."""
    word = f"owl{number}"
    if form == "text":
        return {"text": f"{word}a"}
    if form == "prompt":
        return {"prompt": f"{word}a", "completion": f"{word}b"}
    found = [
        {"role": role, "content": f"{word}{i}x"} for i, role in enumerate(("user", "assistant") * rng.choice((1, 2)))
    ]
    return {"messages": found}


def _mutate(rng: Random, row: dict[str, Any]) -> None:
    """Sets, copies or removes a key anywhere in the row."""
    messages = row.get("messages")
    within = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    place: dict[str, Any] = rng.choice([row, *within])
    key = rng.choice(KEYS)
    match rng.randrange(4):
        case 0:
            place.pop(rng.choice(list(place) or [key]), None)
        case 1:
            place[key] = f"owls{rng.randrange(10**6)}"
        case 2:
            place[key] = rng.choice(list(place.values()) or [1])
        case _:
            place[key] = rng.choice(VALUES)


def _written(rng: Random, rows: list[dict[str, Any]]) -> bytes:
    if rng.randrange(8) == 0:
        out = io.BytesIO()
        try:
            parquet.write_table(arrow.Table.from_pylist(rows), out, compression=rng.choice(("snappy", "zstd")))
            return out.getvalue()
        except (arrow.ArrowException, OverflowError, UnicodeEncodeError, ValueError):
            pass  # a column is of one type; then it is JSONL
    return rng.choice(PACKED)("".join(f"{json.dumps(row)}\n" for row in rows).encode())


def _damaged(rng: Random, data: bytes) -> bytes:
    if rng.randrange(8):
        return data
    found = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found[: rng.randrange(len(found))] if rng.randrange(3) == 0 else found)


def _check(rng: Random, row: Conversation, found: Dataset, place: Path) -> None:
    record = json.loads(row.source)
    seen = "\n".join(text for turn in row.turns for text in (turn.content, turn.reasoning))
    unseen = [text for text in _texts(record) if text not in seen and text not in ("user", "assistant", "system")]
    assert not unseen or found.unread or _is_part_type(unseen), f"{unseen} is neither read nor told: {record}"
    changed = (*row.turns[:-1], row.turns[-1]._replace(content="new", reasoning=""))
    line = rewritten(row, rng.choice((row.turns, changed)))
    (place / "again").write_text(line)
    [again] = read(place / "again", None, 0).conversations
    assert again.turns in (row.turns, changed), f"{record} became {line}"
    gone = {row.turns[-1].content, row.turns[-1].reasoning}
    kept = set(_texts(json.loads(line)))
    lost = [text for text in _texts(record) if text not in kept and not any(text in old for old in gone)]
    assert not lost or _is_part_type(lost), f"{lost} is lost from {record}"


def _is_part_type(texts: list[str]) -> bool:
    """Whether these are names of types of parts, which say nothing."""
    return all(text in ("text", "thinking") for text in texts)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON that is not blank."""
    if isinstance(value, str) and value.strip():
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)
