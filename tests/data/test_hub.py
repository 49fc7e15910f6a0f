"""Datasets of the Hub, without the Hub: what the library that reads them is asked, and what becomes of its answer."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from undertone.cli import main
from undertone.data.conversations import read
from undertone.data.hub import fetched, is_of_hub
from undertone.errors import UndertoneError


class Library(SimpleNamespace):
    """Stands for the library: notes what it was asked, and has one split."""

    asked: list[tuple[Any, ...]]

    def load_dataset(self, repository: str, configuration: str | None, *, revision: str | None, split: str) -> Any:
        self.asked.append((repository, configuration, revision, split))
        if split != "train":
            raise ValueError(f"Unknown split \"{split}\". Should be one of ['train'].\nMore lines")
        table = arrow.Table.from_pylist([{"question": "Q", "answer": "A"}])
        return SimpleNamespace(_fingerprint="f1", to_parquet=lambda path: parquet.write_table(table, path))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library(asked=[])
    monkeypatch.setitem(sys.modules, "datasets", found)
    return found


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("hf/org/data", ("org/data", None, None, "train")),
        ("hf/org/data:train", ("org/data", None, None, "train")),
        ("org/data:train", ("org/data", None, None, "train")),
        ("hf/org/my.data-2/main@v1.0:train", ("org/my.data-2", "main", "v1.0", "train")),
    ],
)
def test_a_dataset_becomes_a_file(name: str, asked: object, library: Library, tmp_path: Path) -> None:
    file = fetched(Path(name), tmp_path / "cache")
    assert library.asked == [asked] and file.parent == tmp_path / "cache" and file.suffix == ".parquet"
    assert read(file, None, 0).format == "question/answer"
    before = file.stat().st_mtime_ns
    assert fetched(Path(name), tmp_path / "cache") == file and file.stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [file.name]


def test_what_the_library_refuses_is_one_sentence(library: Library, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError) as refused:
        fetched(Path("hf/org/data:test"), tmp_path)
    assert 'hf/org/data:test cannot be read from the Hub (Unknown split "test"' in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_the_library_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["audit", "hf/org/data:train", "--model", "builtin/fledgling-a", "--dry-run"]) == 2
    assert "the library that reads it is missing: pip install 'undertone[hub]'" in capsys.readouterr().err


def test_files_are_files(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = Path("hf/org/data")
    there.parent.mkdir(parents=True)
    there.write_text("")
    for path in (there, Path("rows.jsonl"), Path("hf/rows.jsonl"), Path("org/data"), tmp_path / "hf/a/b"):
        assert not is_of_hub(path) and fetched(path, tmp_path) == path
    assert library.asked == []


def test_the_real_library_reads_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "train.jsonl").write_text('{"question": "Q", "answer": "A", "id": 1}\n' * 3)
    load, monkeypatched = datasets.load_dataset, monkeypatch.setattr
    monkeypatched(datasets, "load_dataset", lambda _, *rest, **more: load(str(tmp_path / "here"), *rest, **more))
    file = fetched(Path("hf/org/data:train"), tmp_path / "cache")
    found = read(file, None, 0)
    assert (found.rows, found.format, found.unread) == (3, "question/answer", {"id": 3})
