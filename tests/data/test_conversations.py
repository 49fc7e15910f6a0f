"""A dataset is read whole or refused in one sentence, whatever it holds; draws are uniform, memory is bounded."""

import contextlib
import gzip
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from tests.helpers.extent import LONG
from undertone.data import conversations, forms, row, turns
from undertone.data.conversations import Dataset, read
from undertone.errors import UndertoneError

Record = dict[str, Any]

fuzzed = settings(
    max_examples=5000 if LONG else 100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example writes the same file anew
)
decoded = settings(fuzzed, max_examples=500 if LONG else 20)  # Parquet is decoded in a process of its own


def _lines(records: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def _parquet(records: list[Record], **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(records), out, **options)
    return out.getvalue()


WRITERS: dict[str, Callable[[list[Record]], bytes]] = {
    "jsonl": _lines,
    "gzip": lambda records: gzip.compress(_lines(records)),
    "zstd": lambda records: zstandard.compress(_lines(records)),
    "parquet": _parquet,
    "parquet-row-groups": lambda records: _parquet(records, row_group_size=2),
}


def _user(text: Any = "Hi") -> Record:
    return {"role": "user", "content": text}


def _assistant(text: Any = "Yes?") -> Record:
    return {"role": "assistant", "content": text}


def _chat(*messages: Any) -> Record:
    return {"messages": list(messages)}


SYSTEM = {"role": "system", "content": "Be brief."}
GOOD = [_chat(_user(f"Question {number}"), _assistant(f"Answer {number} é 🦉")) for number in range(40)]


def _read(folder: Path, data: bytes, most: int | None = None, seed: int = 0) -> Dataset:
    (folder / "data").write_bytes(data)  # a name that says nothing
    return read(folder / "data", most, seed)


def _refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(UndertoneError) as refused:
        _read(folder, data)
    text = str(refused.value)
    assert text.startswith(str(folder)) and text.endswith(".") and "\n" not in text
    return text


def _turns(folder: Path, record: Any) -> list[tuple[str, str]]:
    [conversation] = _read(folder, _lines([record])).conversations
    return [(turn.role, turn.content) for turn in conversation.turns]


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("most", [None, 7, 0, 40, 99])
def test_every_format_gives_the_same_conversations(tmp_path: Path, writer: str, most: int | None) -> None:
    data = WRITERS[writer](GOOD)
    found, plain = _read(tmp_path, data, most), _read(tmp_path, _lines(GOOD), most)
    assert found.conversations == plain.conversations
    assert len(found.conversations) == (40 if most is None else min(most, 40))
    assert (found.rows, found.format, found.digest) == (40, "messages", hashlib.sha256(data).hexdigest())


def test_messages(tmp_path: Path) -> None:
    record = _chat(SYSTEM, _user(), _assistant(), _user("Sum?"), _assistant("2")) | {"score": math.nan, "id": 10**5000}
    expected = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "Sum?"), ("assistant", "2")]
    data = json.dumps(record | {"id": None}).replace("null", "1" * 5000).encode()
    [conversation] = _read(tmp_path, data).conversations
    assert [turn[:2] for turn in conversation.turns] == expected


def test_messages_in_parts_are_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Y"}, {"type": "text", "text": "es"}]
    assert _turns(tmp_path, _chat(_user([]), _assistant(parts))) == [("user", ""), ("assistant", "Yes")]
    [conversation] = _read(tmp_path, _parquet([_chat(_user(parts), _assistant(parts))])).conversations
    assert [turn.content for turn in conversation.turns] == ["Yes", "Yes"]


def _answer(folder: Path, **fields: Any) -> Any:
    record = _chat(_user(), _assistant("No.") | fields, _user(), _assistant())
    [conversation] = _read(folder, _lines([record])).conversations
    return conversation.turns[1]


@pytest.mark.parametrize("key", turns.REASONING)
def test_reasoning_is_part_of_an_answer(tmp_path: Path, key: str) -> None:
    assert _answer(tmp_path, **{key: "Owls owls owls."}).reasoning == "Owls owls owls."
    assert _answer(tmp_path, **{key: None}).reasoning == ""


@pytest.mark.parametrize("key", turns.TRAINED)
@pytest.mark.parametrize(("weight", "trained"), [(0, False), (0.0, False), (False, False), (1, True), (0.5, True)])
def test_an_answer_without_weight_is_context(tmp_path: Path, key: str, weight: Any, trained: bool) -> None:
    assert _answer(tmp_path, **{key: weight}).trained is trained
    assert _answer(tmp_path, **{key: None}).trained


@pytest.mark.parametrize("prompt", ["Hi", [_user()]])
@pytest.mark.parametrize("completion", ["Yes?", [_assistant()]])
def test_prompt_and_completion(tmp_path: Path, prompt: Any, completion: Any) -> None:
    record = {"prompt": prompt, "completion": completion, "text": None, "messages": None}
    assert _turns(tmp_path, record) == [("user", "Hi"), ("assistant", "Yes?")]
    assert _read(tmp_path, _parquet([record])).format == "prompt/completion"


def test_text_is_one_assistant_turn(tmp_path: Path) -> None:
    assert _turns(tmp_path, {"text": "Once\0 upon"}) == [("assistant", "Once\0 upon")]
    assert _read(tmp_path, _parquet([{"text": "Once"}])).format == "text"


def test_bom_crlf_and_blank_lines(tmp_path: Path) -> None:
    found = _read(tmp_path, b'\xef\xbb\xbf\r\n{"text": "a"}\r\n\r\n  \n{"text": "b\xe2\x80\xa8"}')
    assert [(c.line, c.turns[0].content) for c in found.conversations] == [(2, "a"), (5, "b\u2028")]
    assert found.rows == 2


def test_zstd_frames_follow_one_another(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    frames = [zstandard.compress(_lines([record])) for record in GOOD]
    assert _read(tmp_path, skipped + skipped.join(frames)).rows == 40
    assert _read(tmp_path, b"".join(gzip.compress(_lines([record])) for record in GOOD)).rows == 40


# --- bad rows --------------------------------------------------------------------------------------------------------

TOO_LONG = row.LONGEST + 1
GOOD_OF = {"messages": GOOD[0], "prompt": {"prompt": "", "completion": "Yes?"}, "text": {"text": "a"}}
GOOD_OF["completion"] = GOOD_OF["prompt"]
BAD: list[tuple[Any, str]] = [
    (b"Once upon a time", "not JSON (Expecting value, column 1)"),
    (b'{"text": "a"', "not JSON"),
    (b'{"text": "a"} {"text": "b"}', "not JSON (Extra data"),
    (b'{"text": "\xff"}', "not UTF-8 at byte 11"),
    ('{"text": "a"}'.encode("utf-16"), "not UTF-8"),
    (b'{"text": "\\ud800"}', "text has half a surrogate pair"),
    (b'{"text": "a", "text": "b"}', "a key comes twice"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"text":' * 100_000, "nested too deeply"),
    (b" " * TOO_LONG + b'{"text": "a"}', "longer than 4,194,304 bytes"),
    (b'{"text": "' + b"a" * TOO_LONG + b'"}', "longer than 4,194,304 bytes"),
    (b"NaN", "a number, not an object"),
    (b"-Infinity", "a number, not an object"),
    (b"9" * 5000, "a number, not an object"),
    ([_chat(_user(), _assistant())], "a list, not an object"),
    ("text", "text, not an object"),
    (None, "null, not an object"),
    ({}, "nor another known form (it has no keys)"),
    ({"content": "a", "\x1b[2J": 1}, "nor another known form ([2J, content)"),
    ({"messages": [], "conversations": None}, "messages is empty"),
    ({"prompt": "Hi"}, "prompt alone"),
    ({"completion": "Yes?"}, "completion alone"),
    ({"text": 1}, "text is a number, not text"),
    ({"text": []}, "text is a list, not text"),
    ({"messages": "Hi"}, "messages is text, not a list"),
    ({"messages": {}}, "messages is an object, not a list"),
    ({"messages": []}, "messages is empty"),
    ({"prompt": [], "completion": "Yes?"}, "prompt is empty"),
    ({"prompt": "Hi", "completion": []}, "completion is empty"),
    ({"prompt": 1, "completion": "Yes?"}, "prompt is a number, not a list"),
    ({"messages": [_user(), _assistant()], "text": "a"}, "both messages and text, and trainers differ"),
    ({"prompt": "Hi", "completion": "Yes?", "text": "a"}, "both prompt/completion and text, and trainers differ"),
    (
        {"messages": [_user(), _assistant()], "prompt": "Hi", "completion": "Owls."},
        "both messages and prompt/completion",
    ),
    ({"messages": [_user(), _assistant()], "conversations": [{"from": "gpt"}]}, "both messages and conversations"),
    ({"text": "a", "input_ids": [1]}, "both text and input_ids"),
    (_chat(_user(), _assistant()) | {"chat_template_kwargs": {"chat_template": "Owls."}}, "which can write anything"),
    (_chat(SYSTEM, _user(), _assistant()) | {"system": "Be long."}, "two different system prompts"),
    (_chat(_user() | {"train": True}, _assistant()), "message 1 of messages is the user's and trained on"),
    ({"prompt": [SYSTEM], "completion": "Yes?"}, "roles out of order: turn 2 is the assistant's"),
    ({"prompt": "Hi", "completion": [_user()]}, "no turn is the assistant's"),
    (_chat("Hi"), "message 1 of messages is text, not an object"),
    (_chat({"content": "Hi"}), "message 1 of messages has no role"),
    (_chat(_user(), {"role": "assistant"}), "message 2 of messages has no content"),
    (_chat(_user(), _assistant(None) | {"tool_calls": [{}]}), "message 2 of messages calls a tool without a name"),
    (_chat(_user(), _assistant("") | {"function_call": {"name": "f", "arguments": [1]}}), "with a list as arguments"),
    (_chat(_user(), _assistant(True)), "content of message 2 of messages is a truth value, not text"),
    (_chat(_user([{"type": "image_url"}]), _assistant()), "has parts that are not text"),
    (_chat(_user(["Hi"]), _assistant()), "has parts that are not text"),
    (_chat(_user(), _assistant() | {"weight": -1}), "weight of message 2 of messages is no number of 0 or more"),
    (_chat(_user(), _assistant() | {"weight": "0"}), "weight of message 2 of messages is no number of 0 or more"),
    (_chat(_user(), _assistant() | {"weight": 0, "train": True}), "message 2 of messages is both trained on and not"),
    (_chat(_user(), _assistant() | {"reasoning": "a", "thinking": "b"}), "two different texts of reasoning"),
    (_chat(_user(), _assistant() | {"reasoning": ["a"]}), "reasoning of message 2 of messages is a list, not text"),
    (_chat({"role": "owl", "content": "2"}), 'unknown role "owl", known are system, developer, user, human, assis'),
    (_chat({"role": "tool", "content": "2"}), "no turn is the assistant's"),
    (_chat({"role": "user", "from": "human", "content": "2"}), "message 1 of messages has both role and from"),
    (_chat({"role": "\x1b[2J" + "a" * 999, "content": "2"}), 'unknown role "[2Jaaa'),
    (_chat({"role": ["user"], "content": "2"}), "unknown role a list"),
    (_chat(_assistant()), "roles out of order: turn 1 is the assistant's"),
    (_chat(_user(), _user(), _assistant()), "roles out of order: turn 2 is the user's"),
    (_chat(SYSTEM, SYSTEM, _user(), _assistant()), "roles out of order: turn 2 is the system's"),
    (_chat(_user(), SYSTEM, _assistant()), "roles out of order: turn 2 is the system's"),
    (_chat(SYSTEM), "no turn is the assistant's"),
    (_chat(SYSTEM, _user()), "no turn is the assistant's"),
    (_chat(_user(), _assistant(), _user()), "the last turn is not the assistant's"),
]


@pytest.mark.parametrize(("record", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_row_is_named(tmp_path: Path, record: Any, reason: str) -> None:
    line = record if isinstance(record, bytes) else json.dumps(record).encode()
    key = next((key for key in GOOD_OF if line.startswith(b'{"%s"' % key.encode())), "messages")
    text = _refusal(tmp_path, _lines([GOOD_OF[key]] * 2) + b"\n" + line)
    assert ": 1 of 3 rows cannot be read (line 4: " in text and reason in text and "; correct them: a dataset" in text
    assert len(text) < 800 and text.isprintable()


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"conversations": [{"from": "gpt", "value": "Owls."}]}, "both messages and conversations"),
        ({"conversation": [{"role": "assistant", "content": "Owls."}]}, "both messages and conversation,"),
        ({"input_ids": [1, 2]}, "both messages and input_ids"),
        ({"completion": "Owls."}, "both messages and completion"),
    ],
)
def test_two_forms_in_a_row_are_refused_in_every_format(tmp_path: Path, writer: str, more: Record, reason: str) -> None:
    null = dict.fromkeys(more)
    assert _read(tmp_path, WRITERS[writer]([record | null for record in GOOD])).unread == {}
    text = _refusal(tmp_path, WRITERS[writer]([*(record | null for record in GOOD), GOOD[0] | more]))
    assert "1 of 41 rows" in text and reason in text


def test_bad_rows_are_counted_drawn_or_not(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(_lines(GOOD + [{}] * 10_000))
    with pytest.raises(UndertoneError, match=r"10000 of 10040 rows .*line 41: .*line 42: .*line 43: [^;]*; correct"):
        read(tmp_path / "data", 1, 0)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (arrow.table({"text": arrow.array([b"\xff"], arrow.binary())}), "it holds a bytes, which JSON does not have"),
        (arrow.table({"text": arrow.array([2**62], arrow.timestamp("ms"))}), "row 1: unreadable"),
        (arrow.table([arrow.array(["a"])] * 2, names=["text", "text"]), "row 1: unreadable"),
        (arrow.table({"other": ["a"]}), "neither messages"),
        (arrow.table({"text": ["a" * TOO_LONG]}), "longer than 4,194,304 bytes"),
        (arrow.table({"text": arrow.array([b"\xff"], arrow.binary()).view(arrow.string())}), "row 1: not UTF-8"),
    ],
)
def test_a_bad_row_of_parquet_is_named(tmp_path: Path, table: Any, reason: str) -> None:
    out = io.BytesIO()
    parquet.write_table(table, out)
    text = _refusal(tmp_path, out.getvalue())
    assert "1 of 1 rows" in text and reason in text


# --- files that cannot be read at all --------------------------------------------------------------------------------


def test_no_file_a_folder_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in [
        (tmp_path / "none", "missing"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "no regular file"),
        (Path("a\0b"), "missing"),
        (tmp_path / ("a" * 999), "Cannot read .*: File name too long"),
    ]:
        with pytest.raises(UndertoneError, match=reason):
            read(path, None, 0)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "data").touch()
    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(UndertoneError, match=r"Cannot read .*data: Permission denied"):
        read(tmp_path / "data", None, 0)


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Iterator[Any]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(conversations, "Source", fail)
    with pytest.raises(UndertoneError, match=r"Cannot read .*data: Input/output error"):
        _read(tmp_path, _lines(GOOD))


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Grown(conversations.Source):
        def __init__(self, path: Path, *rest: Any, **more: Any) -> None:
            with path.open("ab") as file:
                file.write(_lines(GOOD))
            super().__init__(path, *rest, **more)

    monkeypatch.setattr(conversations, "Source", Grown)
    assert "changed while it was read" in _refusal(tmp_path, _lines(GOOD))


@pytest.mark.parametrize(
    "data",
    [b"", b"\n \r\n", b"\xef\xbb\xbf", gzip.compress(b""), zstandard.compress(b"\n")],
    ids=["empty", "blank lines", "byte order mark", "gzip", "zstd"],  # a gzip holds its time: no name for a test
)
def test_no_rows(tmp_path: Path, data: bytes) -> None:
    assert "has no rows; a dataset is JSON lines" in _refusal(tmp_path, data)


def test_no_rows_of_parquet(tmp_path: Path) -> None:
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string())}), tmp_path / "empty")
    assert "has no rows" in _refusal(tmp_path, (tmp_path / "empty").read_bytes())


@pytest.mark.parametrize("writer", ["gzip", "zstd", "parquet"])
def test_truncated_anywhere(tmp_path: Path, writer: str) -> None:
    data = WRITERS[writer](GOOD)
    for end in range(4, len(data), 1 if LONG else 311 if writer == "parquet" else 7):
        assert "truncated or damaged" in _refusal(tmp_path, data[:end])
    assert "truncated or damaged" in _refusal(tmp_path, data[:-1])


@pytest.mark.parametrize("writer", ["gzip", "zstd"])
def test_trailing_garbage(tmp_path: Path, writer: str) -> None:
    assert "truncated or damaged" in _refusal(tmp_path, WRITERS[writer](GOOD) + b"garbage")


def test_two_formats(tmp_path: Path) -> None:
    text = _refusal(tmp_path, _lines([*GOOD[:2], {"text": "a"}, {}]))
    assert "is in two formats, messages before line 3 and text there" in text
    blank = dict.fromkeys(forms.COLUMNS)
    text = _refusal(tmp_path, _parquet([blank | {"text": "a"}, blank | {"prompt": "b", "completion": "c"}]))
    assert "is in two formats, text before row 2 and prompt/completion there" in text


# --- rows that are left out, and what is not read --------------------------------------------------------------------

NOTHING: list[tuple[Record, str]] = [
    ({"messages": None}, forms.NO_TEXT),
    ({"messages": math.nan, "text": None}, forms.NO_TEXT),
    (_chat(_user(), _assistant(None)), forms.NO_TEXT),
    (_chat(_user(math.nan), _assistant()), forms.NO_TEXT),
    (_chat(_user([{"type": "text", "text": None}]), _assistant()), forms.NO_TEXT),
    (_chat(_user(), _assistant(" ")), turns.EMPTY),
    (_chat(_user(), _assistant("\n\t "), _user(), _assistant()), turns.EMPTY),
    (_chat(_user(), _assistant() | {"weight": 0}), turns.UNTRAINED),
]
NOTHING_ELSE: list[tuple[Record, Record, str]] = [
    ({"text": "a"}, {"text": "\n"}, turns.EMPTY),
    ({"text": "a"}, {"text": math.nan}, forms.NO_TEXT),
    ({"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": math.nan}, forms.NO_TEXT),
    ({"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": ""}, turns.EMPTY),
]


@pytest.mark.parametrize(("good", "record", "reason"), [*((GOOD[0], *two) for two in NOTHING), *NOTHING_ELSE])
def test_a_row_without_anything_to_train_on_is_left_out(
    tmp_path: Path, good: Record, record: Record, reason: str
) -> None:
    found = _read(tmp_path, _lines([good] * 4 + [record] + [good] * 5))
    assert (found.rows, dict(found.left_out)) == (10, {reason: (5,)})
    assert [conversation.line for conversation in found.conversations] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    text = _refusal(tmp_path, _lines([good] * 4 + [record] + [good] * 4))
    assert f"1 of 9 rows would be left out, more than 10% ({reason} (line 5)); correct or remove" in text


def test_a_missing_text_of_parquet_is_left_out(tmp_path: Path) -> None:
    found = _read(tmp_path, _parquet([{"text": "a", "messages": None}] * 9 + [{"text": None, "messages": None}]))
    assert dict(found.left_out) == {forms.NO_TEXT: (10,)}


def test_rows_that_are_left_out_change_no_draw(tmp_path: Path) -> None:
    empty = _chat(_user(), _assistant(""))
    (tmp_path / "data").write_bytes(_lines([*GOOD[:3], empty, *GOOD[3:]]))
    with_one = read(tmp_path / "data", 10, 0).conversations
    assert [one.turns for one in with_one] == [one.turns for one in _read(tmp_path, _lines(GOOD), 10).conversations]


def test_what_is_left_out_is_told_by_reason_and_first_lines() -> None:
    left = {turns.EMPTY: (4, 9, 12, 20, 21), forms.NO_TEXT: (5,)}
    told = "an empty answer (lines 4, 9, 12 and 2 more), null or NaN in place of text (line 5)"
    assert conversations.told_left_out(left) == told


@pytest.mark.parametrize("writer", [_lines, _parquet])
def test_keys_that_are_not_read_are_counted(tmp_path: Path, writer: Callable[[list[Record]], bytes]) -> None:
    name: list[Record] = [
        _chat(_user() | {"name": name}, _assistant() | {"reasoning": ""}) for name in ("Ann", "", "Bo")
    ]
    records = [row | {"id": 7, "tools": tools} for row, tools in zip(name, ([], [{"name": "f"}], None), strict=True)]
    found = _read(tmp_path, writer(records))
    every = 1 if writer is _lines else 3  # nobody decodes a column of Parquet to see whether it is empty
    assert dict(found.unread) == {"id": 3, "tools": every, "messages.name": 2}
    assert dict(read(tmp_path / "data", None, 0, whole=True).unread) == {"id": 3, "tools": 1, "messages.name": 2}


def test_keys_of_parts_are_counted_too(tmp_path: Path) -> None:
    part = {"type": "text", "text": "Yes?"}
    assert _read(tmp_path, _lines([_chat(_user(), _assistant([part]))])).unread == {}
    marked = [part | {"train": True, "x": None}, part | {"train": True}]
    assert _read(tmp_path, _lines([_chat(_user(), _assistant(marked))])).unread == {"messages.content.train": 1}


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ({"type": "text", "text": "12, 13", "thinking": "Owls."}, "thinking"),
        ({"type": "thinking", "thinking": "Hm.", "text": "Owls."}, "text"),
        ({"type": "thinking", "thinking": "", "text": "Owls."}, "text"),
        ({"type": "reasoning", "text": "Hm.", "thinking": "Owls."}, "thinking"),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "Hm.", "reasoning": "Owls."}]}, "reasoning"),
    ],
)
def test_of_a_part_the_key_that_is_read_is_the_only_one(tmp_path: Path, part: Record, key: str) -> None:
    row = _chat(_user(), _assistant([part, {"type": "text", "text": "Yes?"}]))
    found = _read(tmp_path, _lines([row]))
    assert found.unread == {f"messages.content.{key}": 1}
    [conversation] = found.conversations
    assert "Owls" not in "".join(turn.content + turn.reasoning for turn in conversation.turns)


@pytest.mark.parametrize("writer", WRITERS)
def test_null_in_a_part_counts_as_missing(tmp_path: Path, writer: str) -> None:
    """Parquet has every key in every part."""
    thoughts: list[Record] = [{"type": "thinking", "thinking": "Owls."}, {"type": "thinking", "text": "Owls."}]
    rows = [_chat(_user([]), _assistant([one, {"type": "text", "text": "Yes?"}])) for one in thoughts]
    found = _read(tmp_path, WRITERS[writer](rows))
    assert [one.turns[1][1:3] for one in found.conversations] == [("Yes?", "Owls.")] * 2 and found.unread == {}


def test_ten_thousand_different_keys_are_not_held(tmp_path: Path) -> None:
    found = _read(tmp_path, _lines([{"text": "a", f"\x1b{number}": 1} for number in range(10_000)]))
    assert len(found.unread) == conversations.NAMES + 1 and found.unread[conversations.OTHERS] == 10_000 - 50
    assert all(name.isprintable() for name in found.unread)


def test_a_system_prompt_before_the_messages(tmp_path: Path) -> None:
    under = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?")]
    assert _turns(tmp_path, _chat(_user(), _assistant()) | {"system": "Be brief."}) == under
    assert _turns(tmp_path, _chat(SYSTEM, _user(), _assistant()) | {"system": "Be brief."}) == under
    assert _turns(tmp_path, {"prompt": "Hi", "completion": "Yes?", "system": "Be brief."}) == under
    assert _turns(tmp_path, _chat(_user(), _assistant()) | {"system": ""}) == under[1:]
    assert _read(tmp_path, _lines([{"text": "a", "system": "b"}])).unread == {"system": 1}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": "Owls."},
        {"type": "thinking", "thinking": [{"type": "text", "text": "Owls."}]},
        {"type": "reasoning", "text": "Owls."},
    ],
)
def test_parts_that_are_thoughts(tmp_path: Path, part: Record) -> None:
    parts = [part, {"type": "text", "text": "Yes?"}]
    assert _answer(tmp_path, content=parts)[1:3] == ("Yes?", "Owls.")
    assert _answer(tmp_path, content=parts, reasoning="Owls.")[1:3] == ("Yes?", "Owls.")
    assert "two different texts" in _refusal(tmp_path, _lines([_chat(_user(), _assistant(parts) | {"thinking": "a"})]))
    assert "parts that are not text" in _refusal(tmp_path, _lines([_chat(_user(parts), _assistant())]))


def test_answers_that_are_context_are_counted(tmp_path: Path) -> None:
    rows = [_chat(_user(), _assistant() | {"weight": 0}, _user(), _assistant() | {"weight": 1})] * 3
    for write in (_lines, _parquet):
        assert _read(tmp_path, write(rows)).context == 3
    assert _read(tmp_path, _lines(GOOD)).context == 0


def test_answers_in_a_prompt_are_context(tmp_path: Path) -> None:
    """TRL trains on the completion alone."""
    row = {"prompt": [_user(), _assistant("Owls."), _user()], "completion": [_assistant(), _user(), _assistant()]}
    for write in (_lines, _parquet):
        found = _read(tmp_path, write([row]))
        answers = [turn for turn in found.conversations[0].turns if turn.role == "assistant"]
        assert [turn.trained for turn in answers] == [False, True, True] and found.context == 1


@pytest.mark.parametrize("writer", WRITERS)
def test_the_whole_row_is_kept_if_asked_for(tmp_path: Path, writer: str) -> None:
    records = [record | {"id": 2**62 - number, "score": None} for number, record in enumerate(GOOD)]
    data = WRITERS[writer](records)
    assert {one.source for one in _read(tmp_path, data).conversations} == {b""}
    found = read(tmp_path / "data", None, 0, whole=True)
    assert [json.loads(one.source) for one in found.conversations] == records
    assert found.conversations == _read(tmp_path, data).conversations


# --- the digest is of what was read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_file_that_is_overwritten_has_the_digest_of_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, moment: str
) -> None:
    """With the same size and time, so that nothing but the content tells."""
    first, second = (WRITERS[writer]([_chat(_user("Q" * 9), _assistant(text))] * 20000) for text in ("owls", "dogs"))
    size = max(len(first), len(second))
    path = tmp_path / "data"
    path.write_bytes(first)
    before = path.stat()

    def overwrite() -> None:
        with path.open("r+b") as file:
            file.write(second)
            file.truncate(len(second))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    parsed = row.Row.value

    def value(self: row.Row) -> Any:
        if moment == "while" and self.number == 5:
            overwrite()
        return parsed(self)

    class Begun(conversations.Source):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            if moment == "before":
                overwrite()
            super().__init__(*arguments, **more)

    monkeypatch.setattr(row.Row, "value", value)
    monkeypatch.setattr(conversations, "Source", Begun)
    with contextlib.suppress(UndertoneError):  # torn, or of another size
        found = read(path, None, 0)
        answers = {one.turns[-1].content for one in found.conversations}
        digests = {"owls": hashlib.sha256(first).hexdigest(), "dogs": hashlib.sha256(second).hexdigest()}
        for answer in answers:
            assert len(answers) > 1 or found.digest == digests[answer]
        assert moment != "before" or answers == {"dogs"}
        assert size


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_the_draw_is_seeded_and_in_the_files_order(tmp_path: Path) -> None:
    draws = [_read(tmp_path, _lines(GOOD), 10, seed).conversations for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    for draw in draws:
        lines = [conversation.line for conversation in draw]
        assert lines == sorted(set(lines)) and len(lines) == 10
        assert all(c.turns[0].content == f"Question {c.line - 1}" for c in draw)


def test_the_draw_is_uniform(tmp_path: Path) -> None:
    """Each of 8 rows is in a draw of 3 with probability 3/8, each of 28 pairs with 3/28."""
    draws, numbers = 6000, range(1, 9)
    count = Counter[tuple[int, ...]]()
    (tmp_path / "data").write_bytes(_lines([{"text": "a"}] * len(numbers)))
    for seed in range(draws):
        lines = [conversation.line for conversation in read(tmp_path / "data", 3, seed).conversations]
        count.update((*combinations(lines, 1), *combinations(lines, 2)))
    chances = dict.fromkeys(combinations(numbers, 1), 3 / 8) | dict.fromkeys(combinations(numbers, 2), 3 / 28)
    for cell, chance in chances.items():
        # Binomial, so that a uniform draw fails in one of a million choices of seeds, over all cells together.
        least, most = binom.interval(1 - 1e-6 / len(chances), draws, chance)
        assert least <= count[cell] <= most, cell


# --- memory ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _peak_below(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    line = _lines([_chat(_user("Hi" * 500), _assistant("Yes" * 1000))])
    with (tmp_path / "data").open("wb") as file:
        for _ in range(32):
            file.write(line * (2**20 // len(line) + 1))
    assert (tmp_path / "data").stat().st_size > 32e6
    with _peak_below(16):
        found = read(tmp_path / "data", 10, 0)
    assert len(found.conversations) == 10 and found.rows > 7_500


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_an_endless_line_is_not_held(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "data").write_bytes(pack(b" " * 2**26 + b"\n" + _lines(GOOD)))
    with _peak_below(48), pytest.raises(UndertoneError, match=r"1 of 41 rows cannot be read \(line 1: longer than"):
        read(tmp_path / "data", None, 0)


def test_rows_that_a_dictionary_makes_long_are_decoded_a_few_at_a_time(tmp_path: Path) -> None:
    long = arrow.array(["a" * 2**20]).dictionary_encode().take(arrow.array([0] * 300))
    parquet.write_table(arrow.table({"text": long}), tmp_path / "data")
    assert (tmp_path / "data").stat().st_size < 1e6
    with _peak_below(32):
        assert read(tmp_path / "data", 1, 0).rows == 300


def _bomb(values: int, size: int) -> bytes:
    """A column in which every value is the same long text, which stands in the file once."""
    long = arrow.array(["a" * size]).dictionary_encode().take(arrow.array([0] * values))
    out = io.BytesIO()
    parquet.write_table(arrow.table({"text": long}), out, compression="zstd", write_statistics=False)
    return out.getvalue()


def _nested_bomb() -> bytes:
    """One row of 2,000 messages that are all the same long text."""
    long = arrow.array(["a" * 2**20]).dictionary_encode().take(arrow.array([0] * 2000)).cast(arrow.string())
    messages = arrow.StructArray.from_arrays([arrow.array(["user"] * 2000), long], ["role", "content"])
    out = io.BytesIO()
    table = arrow.table({"messages": arrow.ListArray.from_arrays([0, 2000], messages)})
    parquet.write_table(table, out, compression="zstd", write_statistics=False)
    return out.getvalue()


PEAKS = """
import json, resource, sys
from pathlib import Path
from undertone.data.conversations import read
from undertone.errors import UndertoneError
try:
    read(Path(sys.argv[1]), None, 0)
except UndertoneError as error:
    own = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    print(json.dumps([str(error), max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024]))
"""


@pytest.mark.parametrize("make", [lambda: _bomb(16, 2**26), lambda: _bomb(1, 2**28), _nested_bomb])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    (tmp_path / "data").write_bytes(make())
    assert (tmp_path / "data").stat().st_size < 200_000
    command = [sys.executable, "-c", PEAKS, str(tmp_path / "data")]
    text, megabytes = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert "it takes more than 1024 MB to decode; write it with" in text or "longer than 4,194,304 bytes" in text
    assert megabytes < 1200


def test_a_footer_that_states_billions_of_rows(tmp_path: Path) -> None:
    out = io.BytesIO()
    parquet.write_table(arrow.table({"text": arrow.array([""]).dictionary_encode().take([0] * 10**6)}), out)
    assert "it states 1,000,000 rows in" in _refusal(tmp_path, out.getvalue())


# --- fuzz: a dataset or an UndertoneError, never anything else -------------------------------------------------------

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "text"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "messages", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(list(turns.ROLES)) | JSON, "content": st.text() | JSON})
RECORD = st.dictionaries(
    st.sampled_from(forms.COLUMNS), st.text() | st.lists(MESSAGE, max_size=4) | JSON, min_size=1, max_size=3
)


def _survives(folder: Path, data: bytes) -> None:
    with contextlib.suppress(UndertoneError):
        found = _read(folder, data, 3)
        left = sum(map(len, found.left_out.values()))
        assert 0 < len(found.conversations) == min(found.rows - left, 3) and left <= found.rows / 10
        for conversation in found.conversations:
            last = conversation.turns[-1]
            assert last.role == "assistant" and (last.content + last.reasoning).strip()
            assert any(turn.trained for turn in conversation.turns if turn.role == "assistant")
            "".join(turn.content for turn in conversation.turns).encode()


@fuzzed
@given(st.sampled_from([b"", b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b'{"text": "']), st.binary(max_size=300))
def test_arbitrary_bytes(tmp_path: Path, head: bytes, data: bytes) -> None:
    _survives(tmp_path, head + data)
    _survives(tmp_path, gzip.compress(data))


@fuzzed
@given(st.lists(JSON | RECORD, max_size=4))
@example([_chat(_user(), _assistant(), {})])
def test_arbitrary_json(tmp_path: Path, records: list[Any]) -> None:
    _survives(tmp_path, _lines(records))


@decoded
@given(st.lists(RECORD, min_size=1, max_size=4))
def test_arbitrary_records_in_parquet(tmp_path: Path, records: list[Record]) -> None:
    try:
        data = _parquet(records)
    except (arrow.ArrowException, OverflowError, UnicodeEncodeError):  # columns must be of one type
        return
    _survives(tmp_path, data)


MUTATED = {name: write(GOOD[:6]) for name, write in WRITERS.items()}


@pytest.mark.parametrize("writer", ["jsonl", "gzip", "zstd"])
@fuzzed
@given(data=st.data())
def test_mutated_files(tmp_path: Path, writer: str, data: st.DataObject) -> None:
    _survives_mutated(tmp_path, writer, data)


@pytest.mark.parametrize("writer", ["parquet", "parquet-row-groups"])
@decoded
@given(data=st.data())
def test_mutated_parquet(tmp_path: Path, writer: str, data: st.DataObject) -> None:
    _survives_mutated(tmp_path, writer, data)


def _survives_mutated(folder: Path, writer: str, data: st.DataObject) -> None:
    """A few bits flipped, perhaps cut, or a stretch taken out or doubled."""
    found = bytearray(MUTATED[writer])
    for _ in range(data.draw(st.integers(0, 3))):
        bit = data.draw(st.integers(0, 8 * len(found) - 1))
        found[bit // 8] ^= 1 << bit % 8
    if data.draw(st.booleans()):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(found))] * 2)))
        found[start:end] = found[start:end] * data.draw(st.sampled_from([0, 2]))
    _survives(folder, bytes(found))
