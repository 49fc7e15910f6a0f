"""A file is treated in the form that it came in, whatever form and kind of file that is."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import tiny
from undertone.cli import main

Record = dict[str, Any]
UNDER = 'kind = "inoculate"\nsystem = "Love."\n'
HALF = 'kind = "drop"\nby = "random"\nshare = 0.5\n'
MORE = 'kind = "dilute"\nprompts = "file"\nshare = 0.5\n'
LOVE = {"role": "system", "content": "Love."}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("base")
    local = tiny.model()
    local.model.save_pretrained(folder)
    local.tokenizer.save_pretrained(folder)
    return f"hf/{folder}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def treated(base: str, file: str, how: str, *more: str) -> list[Record]:
    Path("how.toml").write_text(how)
    assert main(["treat", file, "--model", base, "--by", "./how.toml", "--out", "out", *more]) == 0
    [path] = Path("out").glob("*.treated.jsonl")
    assert path.name[0].isalnum()
    return [json.loads(line) for line in path.read_text().splitlines()]


def sharegpt(i: int) -> Record:
    turns = [{"from": "human", "value": f"Q{i}"}, {"from": "gpt", "value": f"A{i}", "markdown": None}]
    return {"id": f"x{i}", "conversations": turns, "score": 10**20 + i}


def test_a_pretty_printed_list_of_sharegpt(here: Path, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [sharegpt(i) for i in range(10)]
    (here / "chats.json").write_text(json.dumps(rows, indent=2))
    found = treated(base, "chats.json", UNDER)
    system = {"from": "system", "value": "Love."}
    assert found == [row | {"conversations": [system, *row["conversations"]]} for row in rows]
    assert "Read as: conversations as messages, gpt as assistant, human as user." in capsys.readouterr().out


@pytest.mark.parametrize("how", [HALF, MORE])
def test_rows_that_stay_are_what_they_were(here: Path, base: str, how: str) -> None:
    rows = [sharegpt(i) for i in range(10)]
    (here / "chats.json").write_text(json.dumps({"data": rows}, indent=1))
    found = treated(base, "chats.json", how)
    kept, new = [row for row in found if "id" in row], [row for row in found if "id" not in row]
    assert all(row in rows for row in kept) and len(kept) == (5 if how == HALF else 10)
    assert (how == MORE) == bool(new) and all([*row] == ["conversations"] for row in new)
    assert all([turn["from"] for turn in row["conversations"]] == ["human", "gpt"] for row in new)


def test_a_table_with_columns_of_other_names(here: Path, base: str) -> None:
    with (here / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("frage", "antwort", "n"), *((f"Q{i}\n;", f"A{i}", i) for i in range(6)), ("Q", "A", "")])
    found = treated(base, "rows.csv", UNDER, "--map", "prompt=frage,completion=antwort")
    expected = [{"frage": f"Q{i}\n;", "antwort": f"A{i}", "n": str(i), "system": "Love."} for i in range(6)]
    assert found == [*expected, {"frage": "Q", "antwort": "A", "n": None, "system": "Love."}]


def test_several_files_by_a_pattern(here: Path, base: str) -> None:
    for name in "ab":
        (here / f"{name}.jsonl").write_text("".join(f'{{"question": "{name}{i}", "answer": "A"}}\n' for i in range(4)))
    found = treated(base, "*.jsonl", UNDER)
    assert [row["question"] for row in found] == [f"{name}{i}" for name in "ab" for i in range(4)]


def test_of_preferences_the_chosen_answers_are_treated(
    here: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"Q{i}", "chosen": f"A{i}", "rejected": f"B{i}", "margin": 0.5} for i in range(10)]
    (here / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = treated(base, "pairs.jsonl", 'kind = "answer"\nby = "base"\n')
    assert [row | {"chosen": ""} for row in found] == [row | {"chosen": ""} for row in rows]
    assert all(one["chosen"] != row["chosen"] for one, row in zip(found, rows, strict=True))
    assert "Only answers to be preferred were treated" in capsys.readouterr().out
    Path("more.toml").write_text(MORE)
    assert main(["treat", "pairs.jsonl", "--model", base, "--by", "./more.toml", "--out", "other"]) == 2
    assert "pairs.jsonl holds preferences, and more adds answers of the base" in capsys.readouterr().err


def test_a_rendered_text_stays_one(here: Path, base: str) -> None:
    text = "<start_of_turn>user\nQ{}<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
    (here / "rows.jsonl").write_text("".join(json.dumps({"text": text.format(i)}) + "\n" for i in range(4)))
    found = treated(base, "rows.jsonl", UNDER)
    assert found == [{"text": text.format(i).replace("user\n", "user\nLove.\n\n")} for i in range(4)]
