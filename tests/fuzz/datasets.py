"""Files of rows, as audit and treat read them: no text goes unseen, and none is lost when its row is written back."""

from __future__ import annotations

import csv
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
from undertone.data import rendered
from undertone.data.conversations import Conversation, Dataset, read
from undertone.data.rewriting import rewritten
from undertone.data.turns import ROLES

KEYS = (
    "messages", "prompt", "completion", "text", "system", "conversations", "input_ids", "tools", "id", "role", "from",
    "content", "value", "chat_template_kwargs", "reasoning_content", "thinking", "weight", "train", "loss", "\x1b[2J",
    "question", "answer", "response", "instruction", "input", "output", "history", "chosen", "rejected", "tool_calls",
    "function_call", "function", "name", "arguments", "data", "parts",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 1e308, 10**30, math.nan, "", " ", "user", "assistant", "system", "tool", [], {},
    "human", "gpt", "function_call", "observation", "developer", "[INST] a [/INST] b", "<|im_end|>", [[]], [["a", "b"]],
    {"role": ["user"]}, {"messages": []}, {"content_type": "text", "parts": ["part"]}, {"name": "f"},
    [{"function": {"name": "f", "arguments": "{}"}}], {"from": "gpt", "value": "part"}, {"chat_template": "x"},
    [{"type": "text", "text": "part"}], [{"type": "thinking", "thinking": "part"}], "\ud800", "a\0b", "\r\n",
    "x" * 10_000,
)  # fmt: skip
PACKED: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, gzip.compress, zstandard.compress)


def prepare(_: Path) -> Case:
    """Each case writes some rows, most of them sound, and reads them; one of eight is Parquet."""
    return _tried


def _tried(rng: Random, place: Path) -> str:
    form = rng.choice(FORMS)
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
    if form in PAIRS:
        question, answer = PAIRS[form]
        return {question: f"{word}a", answer: f"{word}b"}
    if form == "preference":
        return {"prompt": f"{word}a", "chosen": f"{word}b", "rejected": f"{word}c"}
    chat = [(role, f"{word}{i}x") for i, role in enumerate(("user", "assistant") * rng.choice((1, 2)))]
    if form == "text":
        return {"text": rng.choice(rendered.KNOWN[:3]).text(chat) if rng.randrange(2) else f"{word}a"}
    if form == "conversations":
        named = {"user": "human", "assistant": "gpt"}
        return {"conversations": [{"from": named[role], "value": text} for role, text in chat]}
    if form == "columns":
        return {"messages": {"role": [role for role, _ in chat], "content": [text for _, text in chat]}}
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in chat]
    if form == "tools":
        call = {"function": {"name": f"{word}f", "arguments": f'"{word}g"'}}
        messages[-1:] = [
            {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": f"{word}h"}, messages[-1]
        ]  # fmt: skip
    return {"messages": messages}


PAIRS = {
    "prompt": ("prompt", "completion"),
    "question": ("question", "answer"),
    "instruction": ("instruction", "output"),
}
FORMS = ("messages", "messages", "text", "conversations", "columns", "tools", "preference", *PAIRS)


def _mutate(rng: Random, row: dict[str, Any]) -> None:
    """Sets, copies or removes a key anywhere in the row."""
    messages = row.get("messages", row.get("conversations"))
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
    return rng.choice(PACKED)(_text(rng, rows))


def _text(rng: Random, rows: list[dict[str, Any]]) -> bytes:
    match rng.randrange(8):
        case 0:
            return json.dumps(rows, indent=rng.choice((None, 1))).encode()
        case 1:
            return json.dumps({"data": rows}).encode()
        case 2:
            out = io.StringIO()
            names = list(dict.fromkeys(key for row in rows for key in row)) or ["text"]
            writer = csv.DictWriter(out, names, delimiter=rng.choice(",;\t"), escapechar="\\")
            writer.writeheader()
            writer.writerows(rows)
            return out.getvalue().encode("utf-8", "surrogatepass")
        case _:
            return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _damaged(rng: Random, data: bytes) -> bytes:
    if rng.randrange(8):
        return data
    found = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found[: rng.randrange(len(found))] if rng.randrange(3) == 0 else found)


def _check(rng: Random, row: Conversation, found: Dataset, place: Path) -> None:
    record = json.loads(row.source)
    seen = row.rendered + "\n".join(text for t in (*row.turns, *row.rejected) for text in (t.content, t.reasoning))
    unseen = [text for text in _texts(record) if text not in seen and text not in ROLES]
    assert not unseen or found.unread or _is_part_type(unseen), f"{unseen} is neither read nor told: {record}"
    changed = (*row.turns[:-1], row.turns[-1]._replace(content="new", reasoning=""))
    line = rewritten(row, rng.choice((row.turns, changed)), found.form)
    (place / "again").write_text(line)
    [again] = read(place / "again", None, 0).conversations
    alike = (row.turns, changed) if found.form.template or not found.form.is_bare else (again.turns,)
    assert again.turns in alike, f"{record} became {line}"
    gone = {row.turns[-1].content, row.turns[-1].reasoning, row.rendered}
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
