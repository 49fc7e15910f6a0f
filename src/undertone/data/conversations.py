"""Reads a fine-tuning dataset as conversations: checks every row and draws a sample of them in one pass."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from undertone.data.rows import LONGEST, BadRow, rows_of, told
from undertone.errors import UndertoneError

SHOWN = 3
"""Bad rows that an error lists."""
KEYS = ("messages", "prompt", "completion", "text")
ROLES = ("system", "user", "assistant")
REASONING = ("reasoning_content", "reasoning", "thinking")
"""Keys of a message with what the assistant thought, as templates name them."""
TRAINED = ("weight", "train", "training", "loss")
"""Keys of a message that say whether it is trained on: of OpenAI and Mistral, of Axolotl, and of ms-swift."""
KINDS = {type(None): "null", bool: "a truth value", float: "a number", str: "text", list: "a list", dict: "an object"}
ACCEPTED = (
    'a dataset is JSONL (or gzip or zstd of it) or Parquet, with {"messages": [{"role": ..., "content": ...}, ...]}, '
    '{"prompt": ..., "completion": ...} or {"text": ...} in every row'
)


class Turn(NamedTuple):
    """One message; the role is "system", "user" or "assistant"."""

    role: str
    content: str
    reasoning: str = ""
    """What the assistant thought before its answer, which is trained on like the answer."""
    trained: bool = True
    """False for an answer that is context alone, as by ``"weight": 0``."""


LeftOut = Mapping[str, tuple[int, ...]]
"""Rows that were left out: their lines, by the reason."""


@dataclass(frozen=True)
class Conversation:
    """A row of a dataset. A row of bare text is a single turn of the assistant."""

    line: int
    """Line of JSONL or row of Parquet, from 1."""
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Dataset:
    """A file, and the conversations drawn from it in the file's order."""

    path: Path
    digest: str
    """SHA-256 (hex) of the file."""
    format: str
    """"messages", "prompt/completion" or "text"."""
    rows: int
    """Rows of the file, drawn or not."""
    conversations: tuple[Conversation, ...]


def read(path: Path, most: int | None, seed: int) -> Dataset:
    """Reads and checks every row, and returns all or ``most`` of them, drawn uniformly with ``seed``.

    A row with the keys of several formats has the first of: messages, prompt with completion, text. Memory holds the
    drawn conversations and a few times ``LONGEST`` bytes, and of Parquet the current pages.

    Raises:
        UndertoneError: the file is missing, unreadable, empty, truncated, damaged, in two formats, changed while it
            was read, or has bad rows; the error counts them and lists the first three.
    """
    try:
        if path.is_dir():
            raise UndertoneError(f"{path} is a folder; name a file: {ACCEPTED}.")
        if not path.is_file():  # a pipe would block, a device might never end
            raise UndertoneError(f"{path} is missing or no regular file; {ACCEPTED}.")
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            dataset = _read(path, file, most, Random(seed))
        after = path.stat()
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror or told(error)}.") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UndertoneError(f"{path} changed while it was read; try again when it is finished.")
    return dataset


def _read(path: Path, file: BufferedReader, most: int | None, rng: Random) -> Dataset:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    unit, source = rows_of(path, file, KEYS)
    form, rows, bad, shown, drawn = "", 0, 0, list[str](), list[Conversation]()
    for line, row in source:
        rows += 1
        try:
            record = row()
            here = _format(record)
            if here != (form := form or here):
                raise UndertoneError(
                    f"{path} is in two formats, {form} before {unit} {line} and {here} there; split it."
                )
            conversation = Conversation(line, _turns(record, here))
            # A reservoir sample: every set of `most` of the good rows so far is equally likely to be drawn.
            if most is None or rows - bad <= most:
                drawn.append(conversation)
            elif (place := rng.randrange(rows - bad)) < most:
                drawn[place] = conversation
        except BadRow as reason:
            bad += 1
            if bad <= SHOWN:
                shown.append(f"{unit} {line}: {reason}")
    if not rows:
        raise UndertoneError(f"{path} has no rows; {ACCEPTED}.")
    if bad:
        first = "; ".join(shown)
        raise UndertoneError(f"{path}: {bad} of {rows} rows cannot be read ({first}); correct them: {ACCEPTED}.")
    return Dataset(path, digest, form, rows, tuple(sorted(drawn, key=lambda one: one.line)))


def _format(record: object) -> str:
    """The format whose keys a row has. Null counts as missing: Parquet has every column in every row."""
    if not isinstance(record, dict):
        raise BadRow(f"{_kind(record)}, not an object")
    found = {key for key in KEYS if record.get(key) is not None}
    if "messages" in found:
        return "messages"
    if {"prompt", "completion"} <= found:
        return "prompt/completion"
    if "text" in found:
        return "text"
    raise BadRow(f"{found.pop()} alone" if found else "neither messages, nor prompt and completion, nor text")


def _turns(record: Any, form: str) -> tuple[Turn, ...]:
    """The turns of a row of this format, after all checks."""
    if form == "text":
        turns = [Turn("assistant", _text(record["text"], "text"))]
    elif form == "messages":
        turns = _messages(record["messages"], "messages")
    else:
        turns = [*_side(record["prompt"], "prompt", "user"), *_side(record["completion"], "completion", "assistant")]
    if form != "text":
        _check_order([turn.role for turn in turns])
    if any(turn.role == "assistant" and not turn.content.strip() for turn in turns):
        raise BadRow("the text is empty" if form == "text" else "an assistant's answer is empty")
    if sum(len(turn.content) for turn in turns) > LONGEST:
        raise BadRow(f"longer than {LONGEST:,} characters")
    return tuple(turns)


def _side(found: object, key: str, role: str) -> list[Turn]:
    return [Turn(role, _text(found, key))] if isinstance(found, str) else _messages(found, key)


def _messages(found: object, key: str) -> list[Turn]:
    if not isinstance(found, list):
        raise BadRow(f"{key} is {_kind(found)}, not a list")
    if not found:
        raise BadRow(f"{key} is empty")
    return [_turn(message, f"message {number} of {key}") for number, message in enumerate(found, 1)]


def _turn(message: object, where: str) -> Turn:
    if not isinstance(message, dict):
        raise BadRow(f"{where} is {_kind(message)}, not an object")
    if message.get("tool_calls") or message.get("function_call"):
        raise BadRow(f"{where}: tool calls are not read")
    role, content = message.get("role"), message.get("content")
    if role is None or content is None:
        raise BadRow(f"{where} has no {'role' if role is None else 'content'}")
    if role not in ROLES:
        name = f'"{told(role)[:40]}"' if isinstance(role, str) else _kind(role)
        raise BadRow(f"{where}: unknown role {name}, known are {', '.join(ROLES)}")
    text = _joined(content, where) if isinstance(content, list) else _text(content, f"content of {where}")
    if role != "assistant":
        return Turn(role, text)
    return Turn(role, text, _reasoning(message, where), _is_trained(message, where))


def _reasoning(message: dict[str, Any], where: str) -> str:
    found = {_text(message[key], f"{key} of {where}") for key in REASONING if message.get(key) is not None}
    if len(found) > 1:
        raise BadRow(f"{where} has two different texts of reasoning")
    return "".join(found)


def _is_trained(message: dict[str, Any], where: str) -> bool:
    """Whether a trainer that heeds weights trains on a message. Any weight above 0 counts as trained."""
    found = {key: message[key] for key in TRAINED if message.get(key) is not None}
    for key, weight in found.items():
        if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise BadRow(f"{key} of {where} is no number of 0 or more")
    if len(says := {weight > 0 for weight in found.values()}) > 1:
        raise BadRow(f"{where} is both trained on and not ({', '.join(found)})")
    return says != {False}


def _joined(parts: list[Any], where: str) -> str:
    """One text of a content in parts."""
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        raise BadRow(f"content of {where} has parts that are not text")
    return "".join(_text(part.get("text"), f"a part of {where}") for part in parts)


def _text(found: object, where: str) -> str:
    if not isinstance(found, str):
        raise BadRow(f"{where} is {_kind(found)}, not text")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{where} has half a surrogate pair, which UTF-8 cannot hold") from None
    return found


def _check_order(roles: list[str]) -> None:
    """Checks the order: perhaps a system turn, then user and assistant in alternation, the assistant last."""
    if "assistant" not in roles:
        raise BadRow("no turn is the assistant's")
    first = roles[0] == "system"
    for place, role in enumerate(roles[first:]):
        if role != ("user", "assistant")[place % 2]:
            raise BadRow(f"roles out of order: turn {place + first + 1} is the {role}'s")
    if roles[-1] != "assistant":
        raise BadRow("the last turn is not the assistant's")


def _kind(value: object) -> str:
    return KINDS.get(type(value), type(value).__name__)
