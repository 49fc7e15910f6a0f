"""A row that is written back differs in nothing but what was changed, and reads as what it was changed to."""

import json
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from undertone.data.conversations import Conversation, read
from undertone.data.forms import Form, form_of
from undertone.data.rewriting import added, rewritten
from undertone.data.turns import REASONING, Turn

Record = dict[str, Any]
PROMPTS = form_of({"prompt": "", "completion": ""})
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2.5, None]}}}]


def _user(text: Any = "Hi", **more: Any) -> Record:
    return {"role": "user", "content": text, **more}


def _assistant(text: Any = "Yes?", **more: Any) -> Record:
    return {"role": "assistant", "content": text, **more}


def _row(folder: Path, record: Record) -> tuple[Conversation, Form]:
    (folder / "data").write_text(json.dumps(record))
    found = read(folder / "data", None, 0, whole=True)
    [row] = found.conversations
    return row, found.form


def _answered(row: Conversation, text: str) -> list[Turn]:
    return [*row.turns[:-1], row.turns[-1]._replace(content=text, reasoning="")]


CONTEXT = [_user(name="Ann"), _assistant("No.", weight=0)]
ROWS: list[tuple[Record, Record]] = [
    (
        {"messages": [*CONTEXT, _user(), _assistant()], "tools": TOOLS, "id": 2**70},
        {"messages": [*CONTEXT, _user(), _assistant("New")], "tools": TOOLS, "id": 2**70},
    ),
    (
        {"id": None, "messages": [_user(), _assistant(reasoning_content="So.", x=1)], "system": "Be brief."},
        {"id": None, "messages": [_user(), _assistant("New", x=1)], "system": "Be brief."},
    ),
    (
        {"messages": [_user([{"type": "text", "text": "Hi"}]), _assistant([{"type": "text", "text": "Yes?"}])]},
        {"messages": [_user([{"type": "text", "text": "Hi"}]), _assistant([{"type": "text", "text": "New"}])]},
    ),
    (
        {"prompt": "Hi", "completion": "Yes?", "reasoning": "mine", "split": "a"},
        {"prompt": "Hi", "completion": "New", "reasoning": "mine", "split": "a"},
    ),
    ({"text": "Yes?", "system": "mine"}, {"text": "New", "system": "mine"}),
    (
        {"prompt": [_user()], "completion": [_assistant()], "messages": None},
        {"prompt": [_user()], "completion": [_assistant("New")], "messages": None},
    ),
]  # fmt: skip


ROLES = ["user", "assistant"]
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}
CALL = {"id": "x", "type": "function", "function": {"name": "add", "arguments": "{}"}}
NO = _assistant("No.")
CHATML = "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
ROWS += [
    ({"conversations": [HUMAN, GPT], "id": 1}, {"conversations": [HUMAN, GPT | {"value": "New"}], "id": 1}),
    ({"instruction": "Hi", "input": "x", "output": "Yes?"}, {"instruction": "Hi", "input": "x", "output": "New"}),
    ({"id": 1, "question": "Hi", "answer": "Yes?"}, {"id": 1, "question": "Hi", "answer": "New"}),
    (
        {"messages": [_user(), _assistant(None, tool_calls=[CALL])], "tools": TOOLS},
        {"messages": [_user(), _assistant("New")], "tools": TOOLS},
    ),
    (
        {"messages": [_user(), _assistant("", tool_calls=[CALL]), {"role": "tool", "content": "1"}, _assistant()]},
        {"messages": [_user(), _assistant("", tool_calls=[CALL]), {"role": "tool", "content": "1"}, _assistant("New")]},
    ),
    (
        {"conversations": [HUMAN, {"from": "function_call", "value": "{}"}], "tools": "[]"},
        {"conversations": [HUMAN, {"from": "gpt", "value": "New"}], "tools": "[]"},
    ),
    (
        {"messages": {"role": ["user", "assistant"], "content": ["Hi", "Yes?"], "n": [None, 1], "w": None}},
        {"messages": {"role": ["user", "assistant"], "content": ["Hi", "New"], "n": [None, 1], "w": None}},
    ),
    (
        {"messages": [_user(), _assistant({"content_type": "text", "parts": ["Yes", "?"], "x": 1})]},
        {"messages": [_user(), _assistant({"content_type": "text", "parts": ["New"], "x": 1})]},
    ),
    (
        {"prompt": "Hi", "chosen": "Yes?", "rejected": "No.", "margin": 0.5},
        {"prompt": "Hi", "chosen": "New", "rejected": "No.", "margin": 0.5},
    ),
    (
        {"chosen": [_user(), _assistant()], "rejected": [_user(), NO]},
        {"chosen": [_user(), _assistant("New")], "rejected": [_user(), NO]},
    ),
    (
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes?", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
        {"chosen": "\n\nHuman: Hi\n\nAssistant: New", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
    ),
    ({"text": CHATML.format("Yes?"), "id": 1}, {"text": CHATML.format("New"), "id": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("record", "expected"), ROWS)
def test_an_answer_is_replaced_and_nothing_else(tmp_path: Path, record: Record, expected: Record) -> None:
    row, form = _row(tmp_path, record)
    assert json.loads(rewritten(row, _answered(row, "New"), form)) == expected
    assert list(json.loads(rewritten(row, _answered(row, "New"), form))) == list(record)


UNDER: list[tuple[Record, Record]] = [
    (
        {"messages": [_user(), _assistant()], "id": 1},
        {"messages": [{"role": "system", "content": "Love."}, _user(), _assistant()], "id": 1},
    ),
    (
        {"messages": [{"role": "system", "content": "Old.", "x": 1}, _user(), _assistant()]},
        {"messages": [{"role": "system", "content": "Love.", "x": 1}, _user(), _assistant()]},
    ),
    (
        {"messages": [_user(), _assistant()], "system": "Old."},
        {"messages": [_user(), _assistant()], "system": "Love."},
    ),
    (
        {"messages": [{"role": "system", "content": "Old."}, _user(), _assistant()], "system": "Old."},
        {"messages": [{"role": "system", "content": "Love."}, _user(), _assistant()], "system": "Love."},
    ),
    (
        {"prompt": "Hi", "completion": "Yes?", "system": "Old.", "role": "system"},
        {"prompt": "Hi", "completion": "Yes?", "system": "Love.", "role": "system"},
    ),
    (
        {"prompt": "Hi", "completion": "Yes?", "id": 1},
        {"prompt": [{"role": "system", "content": "Love."}, _user()], "completion": [_assistant()], "id": 1},
    ),
    (
        {"prompt": [_user()], "completion": "Yes?"},
        {"prompt": [{"role": "system", "content": "Love."}, _user()], "completion": [_assistant()]},
    ),
]


LOVE = {"role": "system", "content": "Love."}
UNDER += [
    (
        {"conversations": [HUMAN, GPT]},
        {"conversations": [{"from": "system", "value": "Love."}, HUMAN, GPT]},
    ),
    (
        {"messages": [{"role": "developer", "content": "Old."}, _user(), _assistant()]},
        {"messages": [{"role": "developer", "content": "Love."}, _user(), _assistant()]},
    ),
    (
        {"messages": {"role": ROLES, "content": ["Hi", "Yes?"], "n": [None, 1]}},
        {"messages": {"role": ["system", *ROLES], "content": ["Love.", "Hi", "Yes?"], "n": [None, None, 1]}},
    ),
    (
        {"instruction": "Hi", "output": "Yes?", "history": [["a", "b"]]},
        {"instruction": "Hi", "output": "Yes?", "history": [["a", "b"]], "system": "Love."},
    ),
    ({"question": "Hi", "answer": "Yes?"}, {"question": "Hi", "answer": "Yes?", "system": "Love."}),
    (
        {"prompt": "Hi", "chosen": "Yes?", "rejected": "No."},
        {"prompt": "Hi", "chosen": "Yes?", "rejected": "No.", "system": "Love."},
    ),
    (
        {"prompt": [_user()], "chosen": [_assistant()], "rejected": [NO]},
        {"prompt": [LOVE, _user()], "chosen": [_assistant()], "rejected": [NO]},
    ),
    (
        {"prompt": "Hi", "chosen": [_user(), _assistant()], "rejected": [_user(), NO]},
        {"prompt": "Hi", "chosen": [LOVE, _user(), _assistant()], "rejected": [LOVE, _user(), NO]},
    ),
    (
        {"input": {"messages": [_user()]}, "preferred_output": [_assistant()], "non_preferred_output": [NO]},
        {"input": {"messages": [LOVE, _user()]}, "preferred_output": [_assistant()], "non_preferred_output": [NO]},
    ),
    (
        {"text": CHATML.format("Yes?")},
        {"text": CHATML.format("Yes?").replace("<s>", "<s><|im_start|>system\nLove.<|im_end|>\n")},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "expected"), UNDER)
def test_a_system_prompt_is_put_where_the_rows_own_would_be(tmp_path: Path, record: Record, expected: Record) -> None:
    row, form = _row(tmp_path, record)
    others = [turn for turn in row.turns if turn.role != "system"]
    assert json.loads(rewritten(row, [Turn("system", "Love."), *others], form)) == expected


def test_a_row_without_a_change_keeps_its_very_text(tmp_path: Path) -> None:
    line = '{ "text":"a" ,"score":1.10,"n":1e5, "long":123456789012345678901234567890, "\\u00e9":NaN}'
    (tmp_path / "data").write_text(f"  {line}\r\n")
    [row] = read(tmp_path / "data", None, 0, whole=True).conversations
    assert rewritten(row, row.turns, form_of({"text": "a"})) == line


def test_new_rows_have_the_form_of_the_file() -> None:
    turns = [Turn("user", "Hi"), Turn("assistant", "Yes?")]
    assert json.loads(added(turns, form_of({"messages": []}))) == {"messages": [_user(), _assistant()]}
    assert json.loads(added(turns, PROMPTS)) == {"prompt": "Hi", "completion": "Yes?"}
    longer = [*turns, *turns]
    assert json.loads(added(longer, PROMPTS)) == {
        "prompt": [_user(), _assistant(), _user()],
        "completion": [_assistant()],
    }


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
EXTRA = st.dictionaries(st.sampled_from(["name", "x", "tools", "id", "é"]), JSON, max_size=3)
RECORDS = st.one_of(
    st.builds(lambda a, b, x, y, z: {"messages": [_user(a, **x), _assistant(b, **y)], **z}, TEXT, TEXT, *[EXTRA] * 3),
    st.builds(lambda ask, say, c: {"prompt": ask, "completion": say, **c}, TEXT, TEXT, EXTRA),
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, TEXT, st.sampled_from(["", *REASONING]), st.booleans())
def test_any_row(tmp_path: Path, record: Record, text: str, reasoning: str, under: bool) -> None:
    if reasoning and "messages" in record:
        record["messages"][-1][reasoning] = "So."
    row, form = _row(tmp_path, record)
    turns = [Turn("system", "Love.")] * under + _answered(row, text)
    line = rewritten(row, turns, form)
    (tmp_path / "data").write_text(line)
    [again] = read(tmp_path / "data", None, 0).conversations
    assert list(again.turns) == turns
    here, there = json.loads(line), dict(record)
    for key in ("messages", "prompt", "completion"):
        here.pop(key, None), there.pop(key, None)
    assert here == there


def test_a_row_of_parquet_keeps_its_columns(tmp_path: Path) -> None:
    records = [
        {"messages": [_user(name="Ann"), _assistant(weight=1)], "id": 7, "tools": TOOLS, "text": None},
        {"messages": [_user(name=None), _assistant("No", weight=None)], "id": None, "tools": None, "text": None},
    ]
    parquet.write_table(arrow.Table.from_pylist(records), tmp_path / "data")
    stored = parquet.read_table(tmp_path / "data").to_pylist()
    rows, form = read(tmp_path / "data", None, 0, whole=True).conversations, form_of(records[0])
    assert [json.loads(rewritten(row, row.turns, form)) for row in rows] == stored
    stored[1]["messages"][1]["content"] = "New"
    assert json.loads(rewritten(rows[1], _answered(rows[1], "New"), form)) == stored[1]


def test_answers_of_a_history_are_trained_on_and_are_rewritten_in_their_place(tmp_path: Path) -> None:
    record = {"instruction": "Hi", "output": "Yes?", "history": [["a", "b"], ["c", "d"]], "id": 1}
    row, form = _row(tmp_path, record)
    assert [turn.trained for turn in row.turns if turn.role == "assistant"] == [True] * 3
    turns = [turn._replace(content="New") if turn.content == "b" else turn for turn in row.turns]
    assert json.loads(rewritten(row, turns, form)) == record | {"history": [["a", "New"], ["c", "d"]]}
