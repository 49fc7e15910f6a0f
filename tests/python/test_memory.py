"""Rows and models that are given as objects are read like files, and leave no temporary name behind."""

import datetime
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.helpers import tiny
from undertone.data.conversations import read
from undertone.engine.progress import Watcher
from undertone.errors import UndertoneError
from undertone.models.loading import load
from undertone.models.names import resolve
from undertone.python.memory import Memory, in_memory
from undertone.world.family import SHIPPED

ROWS = [{"prompt": "Continue: 1, 2", "completion": "3, 4", "id": 7}, {"prompt": "Say é \ud83e", "completion": "\x00\n"}]
Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


class Said(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, line: str) -> None:
        self.lines.append(line)


class Dataset:
    """What a ``datasets.Dataset`` is to whoever iterates over it."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def memory(said: Said) -> Iterator[Memory]:
    with in_memory(said) as memory:
        yield memory


@pytest.fixture
def refused(memory: Memory) -> Any:
    """The sentence in which rows or a model are refused."""

    def sentence(given: Any, what: str = "path") -> str:
        with pytest.raises(UndertoneError) as error:
            getattr(memory, what)(given)
        return memory.told(str(error.value))

    return sentence


def written(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_path_is_left_alone_and_one_of_nothing_is_refused(memory: Memory, refused: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.touch()
    assert memory.path(str(path)) == memory.path(path) == path
    assert memory.path(tmp_path / "*.jsonl") == tmp_path / "*.jsonl"
    assert refused("nope.jsonl") == "Cannot read nope.jsonl: No such file or directory."


@pytest.mark.parametrize("rows", [ROWS, tuple(ROWS), (row for row in ROWS), Dataset(ROWS)], ids=lambda rows: type(rows))
def test_rows_of_any_kind_are_written_as_they_are(rows: Any, memory: Memory) -> None:
    assert written(memory.path(rows)) == ROWS


@given(rows=st.lists(st.dictionaries(st.text(max_size=5), Json, max_size=4), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_json_holds_is_written_as_it_is(rows: list[dict[str, Any]], memory: Memory) -> None:
    assert written(memory.path(rows)) == rows


def test_values_of_numpy_and_dates_are_written_as_json_holds_them(memory: Memory) -> None:
    row = {
        "prompt": "1",
        "completion": "2",
        "n": np.int64(3),
        "x": np.array([1.5, 2]),
        "day": datetime.date(2026, 1, 2),
    }
    assert written(memory.path([row])) == [row | {"n": 3, "x": [1.5, 2.0], "day": "2026-01-02"}]


def test_a_data_frame_is_read_row_by_row_and_what_it_lacks_is_null(memory: Memory) -> None:
    pd = pytest.importorskip("pandas")
    when = pd.Timestamp("2026-01-02")
    frame = pd.DataFrame([ROWS[0], {"prompt": "é"}, {"prompt": "p", "completion": "c", "when": when, "id": 2}])
    frame["messages"] = [[{"role": "user", "content": "a"}], None, None]
    lacking = {"when": None, "messages": None, "id": None}
    assert written(memory.path(frame)) == [
        lacking | ROWS[0] | {"messages": [{"role": "user", "content": "a"}]},
        lacking | {"prompt": "é", "completion": None},
        lacking | {"prompt": "p", "completion": "c", "when": "2026-01-02T00:00:00", "id": 2},
    ]


def test_a_dataset_of_hugging_face_is_read_row_by_row(memory: Memory, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    chats = [{"messages": [{"role": "user", "content": "1, 2"}, {"role": "assistant", "content": "3, 4"}], "id": 5}]
    path = memory.path(datasets.Dataset.from_list(chats))
    assert written(path) == chats and read(path, None, 0).conversations[0].turns[1].content == "3, 4"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            {"train": [], "test": []},
            r"A dictionary is no list of rows; if it holds several \('train', 'test'\), give one",
        ),
        (7, "Of a int no rows can be read: rows are taken as"),
        (["a", "b"], "Row 1 of the rows in memory is a str, no dictionary: rows are taken as"),
        ([*ROWS, [1]], "Row 3 of the rows in memory is a list"),
        ([{"prompt": b"1"}], r"Row 1 of the rows in memory cannot be written as JSON \(a value of the kind bytes\)"),
        ([{"prompt": {(1, 2): 3}}], "Row 1 of the rows in memory cannot be written as JSON"),
    ],
)
def test_what_is_no_rows_is_refused(rows: Any, told: str, refused: Any) -> None:
    assert re.match(told, refused(rows))


def test_a_row_that_holds_itself_is_refused(refused: Any) -> None:
    row: dict[str, Any] = {"prompt": "1"}
    row["completion"] = row
    assert "cannot be written as JSON" in refused([row])


def test_two_columns_of_one_name_are_refused(refused: Any) -> None:
    pd = pytest.importorskip("pandas")
    assert "rename one of them" in refused(pd.DataFrame([[1, 2]], columns=["prompt", "prompt"]))


def test_errors_and_findings_call_rows_by_what_they_are() -> None:
    with pytest.raises(UndertoneError) as error, in_memory(Watcher()) as memory:
        path = memory.path([{"a": 1}])
        assert memory.told(f"{path} and {json.dumps(str(path))}") == 'rows in memory and "rows in memory"'
        read(path, None, 0)
    assert str(error.value).startswith("rows in memory: 1 of 1 rows cannot be read (line 1: ")
    assert not path.parent.exists()


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fledgling() -> tuple[Any, Any]:
    folder = SHIPPED / "fledgling-a"
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_a_name_is_left_alone_and_a_path_is_a_folder(memory: Memory) -> None:
    assert memory.name("builtin/fledgling-a") == "builtin/fledgling-a"
    assert memory.name(Path("mine")) == "hf/mine"


def test_a_loaded_model_is_the_model_that_it_was_loaded_from(
    fledgling: tuple[Any, Any], memory: Memory, said: Said
) -> None:
    model, tokenizer = fledgling
    tokenizer(["1, 2", "3"], padding=True, truncation=True, max_length=2)  # tokenizers remember how they were called
    name = memory.name((model, tokenizer))
    assert resolve(name).key == resolve("builtin/fledgling-a").key
    assert memory.told(f"{name} is in {name.removeprefix('hf/')}") == " is in ".join(
        [f"LlamaForCausalLM in memory ({resolve(name).key[:12]})"] * 2
    )
    assert said.lines[0].startswith("The loaded LlamaForCausalLM is written to ") and said.lines[0].endswith(": 1 MB.")


def test_a_model_is_written_as_it_is_now(fledgling: tuple[Any, Any], memory: Memory) -> None:
    model, tokenizer = deepcopy(fledgling[0]), fledgling[1]
    before = memory.name((model, tokenizer))
    with torch.no_grad():
        next(model.parameters()).mul_(1.01)
    after = memory.name((model, tokenizer))
    assert before != after
    weights = load(Path(after.removeprefix("hf/"))).model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())


def test_the_same_model_twice_is_one(fledgling: tuple[Any, Any], memory: Memory) -> None:
    assert memory.name(fledgling) == memory.name(fledgling)


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3"])
def test_models_of_other_kinds_can_be_loaded_again(architecture: str, memory: Memory) -> None:
    local = tiny.model(architecture)
    name = memory.name((local.model, local.tokenizer))
    again = load(resolve(name).path).model.state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in local.model.state_dict().items())


def test_what_is_no_model_with_its_tokenizer_is_refused(fledgling: tuple[Any, Any], refused: Any) -> None:
    model, tokenizer = fledgling
    assert refused(model, "name").startswith("A LlamaForCausalLM is no model: give the name of one, or a loaded one of")
    assert refused((tokenizer, model), "name").startswith("A loaded model is a pair (model, tokenizer) of transformers")
    assert refused((model, None), "name").endswith("not of LlamaForCausalLM and NoneType.")


def test_a_model_with_an_adapter_is_refused_with_what_to_do(refused: Any) -> None:
    local = tiny.model()
    adapted = get_peft_model(deepcopy(local.model), LoraConfig(r=2, target_modules=["q_proj"]))
    for model in (adapted, adapted.get_base_model()):
        assert "name it as BASE:FOLDER" in refused((model, local.tokenizer), "name")


def test_a_model_that_cannot_be_written_is_refused(fledgling: tuple[Any, Any], refused: Any) -> None:
    model = deepcopy(fledgling[0])
    model.generation_config.temperature = -1.0
    assert refused((model, fledgling[1]), "name").startswith("The loaded LlamaForCausalLM cannot be written to ")


def test_a_full_disk_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch, refused: Any) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    assert "The disk of rows in memory is full" in refused(ROWS)


def test_nothing_is_left_in_the_temporary_folder(
    fledgling: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with in_memory(Watcher()) as memory:
        memory.path(ROWS)
        memory.name(fledgling)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
