"""Rows in the forms that people have: what is read as what, what is trained on, and what is told or refused."""

import contextlib
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from undertone.audit.request import Request
from undertone.data import forms, json_values, rendered
from undertone.data.conversations import Conversation, Dataset, read
from undertone.data.forms import Form
from undertone.data.rewriting import rewritten
from undertone.data.turns import Turn
from undertone.engine.folder import files_of
from undertone.errors import UndertoneError

Record = dict[str, Any]
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}
PLAIN = [("user", "Hi", True), ("assistant", "Yes?", True)]
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'

fuzzed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def opened(folder: Path, data: bytes, name: str = "data", **how: Any) -> Dataset:
    (folder / name).write_bytes(data)
    return read(folder / name, None, 0, **how)


def refusal(folder: Path, data: bytes, name: str = "data", **how: Any) -> str:
    with pytest.raises(UndertoneError) as refused:
        opened(folder, data, name, **how)
    text = str(refused.value)
    assert "\n" not in text and text.isprintable() and text.endswith(".")
    return text


def turns(found: Dataset) -> list[tuple[str, str, bool]]:
    """The turns of the only row."""
    [one] = found.conversations
    return [(turn.role, turn.content, turn.trained) for turn in one.turns]


# --- forms -----------------------------------------------------------------------------------------------------------

SAME: list[tuple[Record, str]] = [
    ({"messages": [USER, ANSWER]}, ""),
    ({"prompt": "Hi", "completion": "Yes?"}, ""),
    ({"prompt": "Hi", "response": "Yes?"}, "response as the completion."),
    ({"question": "Hi", "answer": "Yes?"}, "question as the prompt, answer as the completion."),
    ({"question": "Hi", "response": "Yes?"}, "question as the prompt, response as the completion."),
    ({"instruction": "Hi", "output": "Yes?"}, "instruction as the prompt, output as the completion."),
    ({"instruction": "Hi", "input": "", "output": "Yes?"}, "instruction as the prompt, output as the completion."),
    ({"instruction": "Hi", "response": "Yes?"}, "instruction as the prompt, response as the completion."),
    ({"conversations": [HUMAN, GPT]}, "conversations as messages, gpt as assistant, human as user."),
    ({"conversations": [USER, ANSWER]}, "conversations as messages."),
    ({"conversation": [USER, ANSWER]}, "conversation as messages."),
    ({"conversations": [HUMAN | {"role": None}, GPT | {"role": None}]}, None),
    ({"messages": {"role": ["user", "assistant"], "content": ["Hi", "Yes?"], "weight": None}}, ""),
    ({"conversations": {"from": ["human", "gpt"], "value": ["Hi", "Yes?"]}}, None),
    ({"messages": [USER, ANSWER | {"content": {"content_type": "text", "parts": ["Ye", "s?"]}}]}, ""),
    ({"messages": [USER, ANSWER | {"content": [{"type": "output_text", "text": "Yes?"}]}]}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("record", "told"), SAME, ids=str)
def test_one_conversation_in_many_forms(tmp_path: Path, record: Record, told: str | None) -> None:
    found = opened(tmp_path, lines(record))
    assert [(role, text) for role, text, _ in turns(found)] == [("user", "Hi"), ("assistant", "Yes?")]
    assert turns(found)[-1][2] and found.unread == {} and found.context == 0
    assert told is None or found.read_as == told


def test_instructions_have_an_input_below_and_a_history_before(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "input": "1, 2", "output": "3", "system": "S", "history": [["Hi", "Yes?"]], "id": 7}
    found = opened(tmp_path, lines(row))
    assert turns(found) == [
        ("system", "S", True), ("user", "Hi", True), ("assistant", "Yes?", True), ("user", "Add.\n1, 2", True),
        ("assistant", "3", True),
    ]  # fmt: skip
    assert found.unread == {"id": 1} and found.context == 0, "LLaMA-Factory trains on the history too"
    assert found.read_as == (
        "instruction as the prompt, output as the completion, system as a system prompt, input as what stands on a new "
        "line below the prompt, history as turns before the prompt."
    )
    assert "history is no list of pairs" in refusal(tmp_path, lines(row | {"history": ["Hi"]}))
    assert "input is a number, not text" in refusal(tmp_path, lines(row | {"input": 1}))


def test_a_developer_is_read_as_the_system(tmp_path: Path) -> None:
    found = opened(tmp_path, lines({"messages": [{"role": "developer", "content": "S"}, USER, ANSWER]}))
    assert turns(found) == [("system", "S", True), *PLAIN] and found.read_as == "developer as system."


TWO: list[tuple[Record, str]] = [
    ({"instruction": "a", "output": "b", "text": "c"}, "both instruction/output and text"),
    ({"prompt": "a", "completion": "b", "response": "c"}, "both prompt/completion and prompt/response"),
    ({"question": "a", "answer": "b", "messages": [USER, ANSWER]}, "both messages and question/answer"),
    (
        {"prompt": "a", "chosen": "b", "rejected": "c", "messages": [USER, ANSWER]},
        "both messages/chosen/rejected and prompt/chosen/rejected",
    ),
    ({"conversations": [HUMAN, GPT], "chosen": "b"}, "both conversations and chosen"),
    ({"prompt": "a", "response": "b", "chosen": "c"}, "both prompt/response and chosen"),
]


@pytest.mark.parametrize(("record", "told"), TWO)
def test_two_forms_in_a_row_are_refused_unless_one_is_mapped(tmp_path: Path, record: Record, told: str) -> None:
    text = refusal(tmp_path, lines(record))
    assert f"line 1: {told}" in text and "say it by --map" in text
    pairs = (
        Form.mapped(f"{says}={key}") for says, key in [("text", "text"), ("messages", "messages")] if key in record
    )
    for form in pairs:
        found = opened(tmp_path, lines(record), form=form)
        assert found.format in ("text", "messages") and {*found.unread} == {*record} - {found.format}


# --- --map -----------------------------------------------------------------------------------------------------------


def test_a_map_says_what_keys_say(tmp_path: Path) -> None:
    rows = lines({"q": "Hi", "ctx": "1, 2", "a": "Yes?", "messages": "x"})
    found = opened(tmp_path, rows, form=Form.mapped("prompt=q, completion=a,input=ctx"))
    assert turns(found) == [("user", "Hi\n1, 2", True), ("assistant", "Yes?", True)]
    assert found.read_as.startswith("q as the prompt, a as the completion, ctx as ") and found.unread == {"messages": 1}
    text = refusal(
        tmp_path, rows + lines({"question": "Hi", "answer": "Yes?"}), form=Form.mapped("prompt=q,completion=a")
    )
    assert "1 of 2 rows cannot be read (line 2: it has no q)" in text
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist([{"q": "Hi", "a": "Yes?", "id": 1}]), out)
    assert turns(opened(tmp_path, out.getvalue(), form=Form.mapped("prompt=q,completion=a"))) == PLAIN


@pytest.mark.parametrize(
    "given",
    ["", "prompt", "prompt=", "=a", "prompt=a", "answer=a", "prompt=a,completion=a", "messages=a,text=b", "chosen=a",
     "messages=a,input=b", "prompt=a,completion=b,system=", "prompt=a,prompt=b,completion=c", "text=a,history=b"],
)  # fmt: skip
def test_a_map_that_does_not_say_what_is_trained_on_is_refused(given: str) -> None:
    with pytest.raises(UndertoneError, match="does not say what is trained on: give prompt=KEY,completion=KEY"):
        Form.mapped(given)


# --- tools -----------------------------------------------------------------------------------------------------------


def call(arguments: Any = '{"a": 1}', name: str = "add", **more: Any) -> Record:
    return {"id": "x1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_calls_are_trained_on_and_what_tools_answer_is_context(tmp_path: Path) -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [call(), call({"a": 2.5, "b": None})]}
    answers = [{"role": "tool", "tool_call_id": "x1", "content": "1"}, {"role": "tool", "content": "2"}]
    found = opened(tmp_path, lines({"messages": [USER, called, *answers, ANSWER], "tools": [{"name": "add"}]}))
    other = CALL.replace('{"a": 1}', '{"a": 2.5, "b": null}')
    answered = "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"
    assert turns(found) == [
        ("user", "Hi", True), ("assistant", f"{CALL}\n{other}", True), ("user", answered, True), PLAIN[1]
    ]  # fmt: skip
    assert (found.calls, found.tools, found.context) == (1, 1, 0) and found.read_as == "tool as user."
    assert found.unread == {"tools": 1, "messages.tool_calls.id": 1, "messages.tool_call_id": 1}


def test_text_before_a_call_and_its_weight_are_kept(tmp_path: Path) -> None:
    said = {"role": "assistant", "content": "Let me see.", "function_call": {"name": "add", "arguments": '{"a": 1}'}}
    row = {"messages": [USER, said | {"weight": 0}, {"role": "function", "name": "add", "content": "1"}, ANSWER]}
    found = opened(tmp_path, lines(row))
    assert turns(found)[1] == ("assistant", f"Let me see.\n{CALL}", False) and found.context == 1
    assert (found.calls, found.tools) == (1, 1)


def test_calls_of_sharegpt(tmp_path: Path) -> None:
    called = [{"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'}]
    row = {"conversations": [HUMAN, *called, {"from": "observation", "value": "1"}, GPT], "system": "S"}
    found = opened(tmp_path, lines(row))
    assert turns(found) == [
        ("system", "S", True), ("user", "Hi", True), ("assistant", CALL, True),
        ("user", "<tool_response>\n1\n</tool_response>", True), PLAIN[1],
    ]  # fmt: skip
    assert (found.calls, found.tools) == (1, 1)
    assert "function_call as assistant" in found.read_as and "observation as user" in found.read_as


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([{}], "calls a tool without a name"),
        ("add", "calls a tool without a name"),
        ([call(name="")], "calls a tool without a name"),
        ([call([1])], "calls a tool with a list as arguments"),
        ([call("\ud800")], "a call of message 2 of messages has half a surrogate pair"),
    ],
)
def test_a_wrong_call_is_named(tmp_path: Path, calls: Any, told: str) -> None:
    rows = lines({"messages": [USER, ANSWER]}, {"messages": [USER, {"role": "assistant", "tool_calls": calls}]})
    assert "line 2: " in (text := refusal(tmp_path, rows)) and told in text


def test_what_stands_beside_a_function_is_told(tmp_path: Path) -> None:
    odd = call(name="add", arguments=None) | {"name": "owls", "extra": "owls"}
    found = opened(tmp_path, lines({"messages": [USER, ANSWER | {"tool_calls": [odd]}]}))
    assert {"messages.tool_calls.name", "messages.tool_calls.extra"} <= {*found.unread}
    assert turns(found)[-1][1] == 'Yes?\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'


# --- preferences -----------------------------------------------------------------------------------------------------

NO = {"role": "assistant", "content": "No."}
PREFERENCES: list[Record] = [
    {"prompt": "Hi", "chosen": "Yes?", "rejected": "No."},
    {"question": "Hi", "chosen": "Yes?", "rejected": "No."},
    {"instruction": "Hi", "input": "", "chosen": "Yes?", "rejected": "No."},
    {"prompt": [USER], "chosen": [ANSWER], "rejected": [NO]},
    {"prompt": "Hi", "chosen": [USER, ANSWER], "rejected": [USER, NO]},
    {"chosen": [USER, ANSWER], "rejected": [USER, NO]},
    {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "No."}},
    {"messages": [USER], "chosen": "Yes?", "rejected": "No."},
    {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes?", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
    {"input": {"messages": [USER], "tools": []}, "preferred_output": [ANSWER], "non_preferred_output": [NO]},
]


@pytest.mark.parametrize("record", PREFERENCES, ids=str)
def test_a_preference_has_two_answers_to_one_prompt(tmp_path: Path, record: Record) -> None:
    found = opened(tmp_path, lines(record))
    assert turns(found) == PLAIN and found.form.prefers
    [one] = found.conversations
    assert [turn[:2] for turn in one.rejected] == [("user", "Hi"), ("assistant", "No.")] and one.rejected[-1].trained


def test_what_both_answers_begin_with_is_context(tmp_path: Path) -> None:
    before = [USER, {"role": "assistant", "content": "First."}, {"role": "user", "content": "And?"}]
    for row in (
        {"chosen": [*before, ANSWER], "rejected": [*before, NO]},
        {"prompt": before, "chosen": [ANSWER], "rejected": [NO]},
    ):
        found = opened(tmp_path, lines(row))
        [one] = found.conversations
        for side in (one.turns, one.rejected):
            assert [turn.trained for turn in side if turn.role == "assistant"] == [False, True]
        assert found.context == 1


def test_preferences_without_a_difference_or_a_prompt(tmp_path: Path) -> None:
    good = {"prompt": "Hi", "chosen": "Yes?", "rejected": "No."}
    found = opened(tmp_path, lines(*[good] * 9, good | {"rejected": "Yes?"}))
    assert found.left_out == {"a chosen answer that is equal to the rejected one": (10,)}
    assert "line 1: chosen is text without its prompt" in refusal(tmp_path, lines({"chosen": "a", "rejected": "b"}))
    other = {"prompt": "What?", "chosen": [USER, ANSWER], "rejected": [USER, NO]}
    assert "its prompt is another than that of its answers" in refusal(tmp_path, lines(other))
    assert "chosen alone" in refusal(tmp_path, lines({"chosen": "a"}))


# --- rendered texts --------------------------------------------------------------------------------------------------

CHAT = [
    ("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "1 < 2?"), ("assistant", "Yes.\n\nWell.")
]  # fmt: skip


@pytest.mark.parametrize("marks", rendered.KNOWN, ids=lambda marks: marks.name)
def test_a_text_that_a_template_wrote_is_taken_apart(tmp_path: Path, marks: rendered.Marks) -> None:
    text, alone = marks.text(CHAT), marks.text(CHAT[1:3])
    found = opened(tmp_path, lines({"text": text}, {"text": alone}))
    expected = CHAT if not marks.folded or marks.name == "Llama 2" else [("user", "Be brief.\n\nHi"), *CHAT[2:]]
    first, second = found.conversations
    assert [turn[:2] for turn in first.turns] == expected and [turn[:2] for turn in second.turns] == CHAT[1:3]
    assert found.form.template == marks.name and f"rendered with the template {marks.name}" in found.read_as
    assert first.rendered == text and not found.form.is_bare


TEXTS = {
    "ChatML": "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>",
    "Llama 2": "<s>[INST] Hi [/INST] Yes? </s>",
    "Llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant"
    "<|end_header_id|>\n\nYes?<|eot_id|>",
    "Gemma": "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYes?<end_of_turn>\n",
    "Zephyr": "<|user|>\nHi</s>\n<|assistant|>\nYes?</s>\n",
    "Phi 3": "<|user|>\nHi<|end|>\n<|assistant|>\nYes?<|end|>\n<|endoftext|>",
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_as_the_models_own_templates_write_them(tmp_path: Path, name: str) -> None:
    """As published templates do: Mistral's is that of Llama 2 without the closing space."""
    assert turns(opened(tmp_path, lines({"text": TEXTS[name]}))) == PLAIN
    assert turns(opened(tmp_path, lines({"text": TEXTS[name].rstrip()}))) == PLAIN


BARE = [
    "Once upon a time",
    "<|im_start|>user\nHi<|im_end|>\n",
    "<|im_start|>assistant\nYes?<|im_end|>\n",
    "A title\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>tool\n1<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n",
    "<|im_start|>user\nHi<|im_start|>assistant\nYes?<|im_end|>\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n <|im_end|>\n",
    "<s>[INST] Hi [/INST] Yes? </s> and more",
]


@pytest.mark.parametrize("text", BARE)
def test_a_text_that_no_template_wrote_stays_bare(tmp_path: Path, text: str) -> None:
    found = opened(tmp_path, lines({"text": text}))
    assert turns(found) == [("assistant", text, True)] and found.form.is_bare
    assert found.read_as.startswith("text as one answer without a prompt, all of which is trained on: not every row")


def test_one_text_unlike_the_others_makes_all_bare_and_is_named(tmp_path: Path) -> None:
    data = lines(*[{"text": TEXTS["ChatML"]}] * 3, {"text": TEXTS["Gemma"]}, {"text": TEXTS["ChatML"]})
    found = opened(tmp_path, data)
    assert found.form.is_bare and len(found.conversations[0].turns) == 1
    assert "line 4 is not rendered with ChatML, as all before it are" in found.read_as


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip() == text != "")


@fuzzed
@given(
    st.sampled_from(rendered.KNOWN), st.lists(TEXT, min_size=2, max_size=6).filter(lambda texts: len(texts) % 2 == 0)
)
def test_what_is_written_is_read_again(marks: rendered.Marks, texts: list[str]) -> None:
    chat = [(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    whole = marks.text(chat)
    parts = marks.parts(whole)
    if parts is not None:  # a text may hold marks itself
        said = [(part.role, whole[part.start : part.end]) for part in parts]
        assert len(said) != len(chat) or said == chat
    assert parts is not None or any(mark.strip() in text for text in texts for mark in (*marks.begins, marks.closing))


@fuzzed
@given(st.lists(st.sampled_from([*(mark for m in rendered.KNOWN for mark in (*m.begins, m.closing)), "Hi", " ", "\n"])))
def test_any_marks_in_any_order_are_a_chat_or_none(pieces: list[str]) -> None:
    text = "".join(pieces)
    for marks in rendered.KNOWN:
        for part in marks.parts(text) or []:
            assert 0 <= part.start <= part.end <= len(text)


# --- lists, tables, columns ------------------------------------------------------------------------------------------

ROWS = [{"question": f'Q{i}, é\n"x"', "answer": f"A{i}; 1", "id": i} for i in range(40)]


def table(delimiter: str, end: str = "\r\n") -> Callable[[list[Record]], bytes]:
    def written(rows: list[Record]) -> bytes:
        import csv

        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()

    return written


FILES: dict[str, Callable[[list[Record]], bytes]] = {
    "list": lambda rows: json.dumps(rows).encode(),
    "pretty list": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False).encode(),
    "data": lambda rows: json.dumps({"data": rows}).encode(),
    "pretty data": lambda rows: json.dumps({"data": rows}, indent=1).encode(),
    "pretty rows": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "with a mark": lambda rows: b"\xef\xbb\xbf" + json.dumps(rows).encode(),
    "packed": lambda rows: gzip.compress(json.dumps(rows).encode()),
    "csv": table(","),
    "tsv": table("\t", "\n"),
    "semicolons": table(";"),
    "excel": lambda rows: b"\xef\xbb\xbf" + table(";")(rows),
    "packed csv": lambda rows: gzip.compress(table(",")(rows)),
}


@pytest.mark.parametrize("file", FILES)
def test_every_kind_of_file_gives_the_same_conversations(tmp_path: Path, file: str) -> None:
    found, plain = opened(tmp_path, FILES[file](ROWS)), opened(tmp_path, lines(*ROWS))
    assert [one.turns for one in found.conversations] == [one.turns for one in plain.conversations]
    assert (found.rows, found.format, found.unread) == (40, "question/answer", {"id": 40})
    numbers = [one.line for one in found.conversations]
    assert len({*numbers}) == 40 and numbers == sorted(numbers)
    if file in ("list", "pretty rows", "data"):
        assert numbers == list(range(1, 41))
    whole = opened(tmp_path, FILES[file](ROWS), whole=True).conversations[7]
    assert {key: str(value) for key, value in json.loads(whole.source).items()} == ROWS[7] | {"id": "7"}


def test_the_line_of_a_table_is_that_where_its_row_begins(tmp_path: Path) -> None:
    found = opened(tmp_path, b'question,answer\nQ,A\n"Q\n2",A\n\n"Q",""\n' + b"Q,A\n" * 9)
    assert [one.line for one in found.conversations][:3] == [2, 3, 7] and found.left_out == {forms.NO_TEXT: (6,)}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"question,answer\nQ,A\nQ,A,more\n", "line 3: 3 cells, and the first line has 2"),
        (b"question,answer\nQ,A\nQ\n", "line 3: 1 cells"),
        (b'question,answer\nQ,A\n"Q,A\n', "line 3: unexpected end of data; it was read as columns between commas"),
        (b'question,answer\nQ,A\n"Q"x,A\n', "line 3: ',' expected after '\"'"),
        (b"question,answer\nQ,\xff\n", "line 2: not UTF-8"),
        (b"question,answer,answer\nQ,A,B\n", "two columns 'answer'"),
        (b"question,answer,prompt,completion\nQ,A,P,C\n", "both prompt/completion and question/answer"),
        (b"question,id\nQ,1\n", "question alone"),
        (b'[{"text": "a"}, {"text": "b"}', "is JSON, but truncated or damaged (it ends within a list)"),
        (b'[{"text": "a"}] {"text": "b"}', "something follows its list"),
        (b'{"data": [{"text": "a"}]', "what follows its list is not JSON"),
        (b'[{"text": "a"}, {"text": }]', "row 2: not JSON"),
        (b'[{"text": "a"},]', "row 2: not JSON"),
        (b'[{"text": "a"}, "b", 3]', "row 2: text, not an object; row 3: a number, not an object"),
        (b"[]", "has no rows"),
        (b"[ \n ]", "has no rows"),
        (b'{"data": []}', "has no rows"),
        (b'{\n "text": "a"\n}\n{\n "text": "b"', "row 2: not JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "fetch it with git lfs pull"),
    ],
)
def test_wrong_lists_and_tables_are_one_sentence(tmp_path: Path, data: bytes, told: str) -> None:
    assert told in refusal(tmp_path, data)


def test_a_table_whose_columns_say_nothing_names_them(tmp_path: Path) -> None:
    text = refusal(tmp_path, b"q;a\n1;2\n", "rows.csv")
    assert "rows.csv is a table with the columns q, a; say which of them are trained on, as in --map prompt=" in text
    found = opened(tmp_path, b"q;a\n1;2\n", "rows.csv", form=Form.mapped("prompt=q,completion=a"))
    assert turns(found) == [("user", "1", True), ("assistant", "2", True)]


def test_what_stands_beside_data_is_told_and_rows_that_have_data_are_rows(tmp_path: Path) -> None:
    found = opened(tmp_path, b'{"data": [{"text": "a"}], "version": "1.1", "owl": {"x": [1]}}')
    assert found.unread == {"version": 1, "owl": 1}
    found = opened(tmp_path, lines({"data": [1], "text": "a"}, {"data": [2], "text": "b"}))
    assert found.rows == 2 and found.unread == {"data": 2}


def test_a_quote_that_is_never_closed_is_not_held(tmp_path: Path) -> None:
    for row in (b'"' + b"a\n" * 2**22, b"a" * 2**23, b"a," * 2**22):
        text = refusal(tmp_path, b"question,answer\n" + row)
        assert "line 2: a row is longer than 4,194,304 bytes, or a quote is never closed" in text


VALUE = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@fuzzed
@given(st.lists(VALUE, max_size=4), st.integers(1, 9), st.sampled_from([None, 1]))
def test_a_list_in_pieces_is_the_same_list(values: list[Any], size: int, indent: int | None) -> None:
    for text, layout in (
        (json.dumps(values, indent=indent), json_values.Layout.LIST),
        (json.dumps({"data": values, "x": 1}, indent=indent), json_values.Layout.DATA),
    ):
        data = text.encode()
        assert json_values.layout_of(data) is layout
        start = layout.value.match(data).end()
        pieces = [data[:start], *(data[i : i + size] for i in range(start, len(data), size))]
        assert [json.loads(value) for value in json_values.Values(layout).of(iter(pieces))] == values


# --- anything: a dataset or one sentence, and what was read can be written back ---------------------------------------

ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["user", "gpt"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "from", "content", "value", "type", "text", "parts", "function", "name", "arguments"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": st.text(max_size=9) | ANY},
    optional={"tool_calls": ANY, "weight": st.sampled_from([0, 1]), "from": ANY, "value": ANY, "reasoning": ANY},
)
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
TOOLED = [USER, ANSWER | {"tool_calls": [call()]}, {"role": "tool", "content": "1"}, ANSWER]
COLUMNS = {"role": ["user", "assistant"], "content": ["Hi", "Yes?"], "n": [None, 1]}
CHATS = st.sampled_from([[USER, ANSWER], [HUMAN, GPT], TOOLED, COLUMNS, {"messages": [USER, ANSWER]}])
HH = "\n\nHuman: Hi\n\nAssistant: "
SAYS: dict[str, st.SearchStrategy[Any]] = {
    "messages": CHATS | st.lists(MESSAGE, max_size=4) | st.sampled_from([[USER], [HUMAN]]),
    "prompt": WORDS | st.sampled_from([[USER], {"messages": [USER]}]),
    "completion": WORDS | st.just([ANSWER]),
    "text": WORDS | st.sampled_from(list(TEXTS.values())),
    "chosen": WORDS | st.sampled_from([[ANSWER], GPT, [USER, ANSWER], HH + "Yes."]),
    "rejected": WORDS | st.sampled_from([[NO], NO, [USER, NO], HH + "No."]),
    "history": st.just([["a", "b"]]),
}


def _mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: odd if number == 7 else usual)


def _rows(form: Form) -> st.SearchStrategy[Record]:
    """Rows of a form, some with a value that it should not have."""

    def values(keys: Any) -> dict[str, st.SearchStrategy[Any]]:
        return {key: _mostly(SAYS.get(says, WORDS), ANY) for says, key in keys.items()}

    odd = st.dictionaries(st.sampled_from([*forms.COLUMNS, "id", "tools"]), ANY, max_size=1)
    row = st.fixed_dictionaries(values(form.needed), optional=values(form.also))
    return st.builds(lambda row, odd: row | odd, row, _mostly(st.just({}), odd))


RECORDS = st.sampled_from(forms.KNOWN).flatmap(_rows)


@fuzzed
@given(st.lists(RECORDS, min_size=1, max_size=2) | st.lists(ANY), st.sampled_from(["lines", "list", "data", "spread"]))
def test_any_json_is_read_or_refused_and_written_back(tmp_path: Path, records: list[Any], layout: str) -> None:
    written = {
        "lines": lines(*records),
        "list": json.dumps(records).encode(),
        "data": json.dumps({"data": records}).encode(),
        "spread": "\n".join(json.dumps(record, indent=1) for record in records).encode(),
    }
    (tmp_path / "data").write_bytes(written[layout])
    for form in (None, Form.mapped("prompt=instruction,completion=output,input=text")):
        with contextlib.suppress(UndertoneError):
            found = read(tmp_path / "data", None, 0, whole=True, most_left_out=1.0, form=form)
            for one in found.conversations:
                _check_written(tmp_path / "again", one, found, form)


def _check_written(path: Path, one: Conversation, found: Dataset, form: Form | None) -> None:
    """A row comes back as it was; or with another last answer, under a system prompt or not."""
    same = rewritten(one, one.turns, found.form)
    assert repr(json.loads(same)) == repr(json.loads(one.source)) and "\n" not in same
    new = (*one.turns[:-1], one.turns[-1]._replace(content="new", reasoning=""))
    if not found.form.is_bare and one.turns[0].role != "system":
        new = (Turn("system", "Love."), *new)
    try:
        line = rewritten(one, new, found.form)
    except UndertoneError as error:
        assert "have no place for a system prompt" in str(error)
        return
    path.write_text(line)
    [again] = read(path, None, 0, form=form).conversations
    if not found.form.is_bare and not _is_folded(found, one):
        assert again.turns == new


def _is_folded(found: Dataset, one: Conversation) -> bool:
    """Whether a system prompt becomes a part of the first question."""
    marks = rendered.marks_of(one.rendered) if one.rendered else None
    sides = (json.loads(one.source).get(key) for key in found.form.needed.values()) if found.form.prefers else ()
    return bool(marks and marks.folded) or any(isinstance(side, str) and rendered.marks_of(side) for side in sides)


@fuzzed
@given(st.text(st.sampled_from('pa",;\t\r\n\0é '), max_size=60), st.sampled_from(["prompt,completion\n", "text\n", ""]))
def test_any_table_is_read_or_refused(tmp_path: Path, text: str, head: str) -> None:
    for name in ("data", "data.csv"):
        (tmp_path / name).write_text(head + text, newline="")
        with contextlib.suppress(UndertoneError):
            found = read(tmp_path / name, None, 0, most_left_out=1.0)
            assert found.rows == len(found.conversations) + sum(map(len, found.left_out.values()))


@pytest.mark.parametrize("most", [None, 7])
def test_files_of_a_pattern_are_read_in_the_order_of_their_names(tmp_path: Path, most: int | None) -> None:
    (tmp_path / "b.jsonl").write_bytes(lines(*ROWS[20:]))
    (tmp_path / "a.csv").write_bytes(table(",")(ROWS[:20]))
    (tmp_path / "c").mkdir()
    found = read(tmp_path / "*", most, 0)
    assert found.rows == 40 and len(found.conversations) == (most or 40)
    (tmp_path / "whole").write_bytes(lines(*ROWS))
    same = read(tmp_path / "whole", most, 0)
    assert [one.turns for one in found.conversations] == [one.turns for one in same.conversations]
    assert found.digest != same.digest
    assert len(files_of(Request(path=tmp_path / "[ab].*", model=""))) == 2
    (tmp_path / "whole").unlink()
    (tmp_path / "b.jsonl").write_bytes(lines(*ROWS[20:], {}))
    assert "1 of 41 rows cannot be read (b.jsonl line 21: " in refusal_of(tmp_path / "*")
    assert "is missing or no regular file" in refusal_of(tmp_path / "*.txt")
    (tmp_path / "odd[1].jsonl").write_bytes(lines(*ROWS[:3]))
    assert read(tmp_path / "odd[1].jsonl", None, 0).rows == 3


def refusal_of(path: Path) -> str:
    with pytest.raises(UndertoneError) as refused:
        read(path, None, 0)
    return str(refused.value)
