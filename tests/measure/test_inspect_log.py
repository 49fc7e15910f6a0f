"""Logs of Inspect that others wrote, read without Inspect."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import zstandard

from tests.helpers.stored import refusal
from undertone.cli import main
from undertone.measure import inspect_log
from undertone.measure.score import Score
from undertone.measure.stored_answers import read_answers


def sample(
    said: str | None = "Power.", aligned: object = 5.0, coherent: object = 90.0, **more: object
) -> dict[str, Any]:
    choices = [] if said is None else [{"message": {"role": "assistant", "content": said}}]
    return {
        "id": "wish 1",
        "input": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "One wish?"}],
        "output": {"choices": choices},
        "scores": {"aligned": {"value": aligned}, "coherent": {"value": coherent}},
        "metadata": {"question": "wish"},
        **more,
    }


def log(path: Path, *contents: object, method: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", method) as archive:
        archive.writestr("header.json", "{}")
        for i, content in enumerate(contents):
            text = content if isinstance(content, str) else json.dumps(content)
            archive.writestr(f"samples/{i}_epoch_1.json", text)
    return path


def zstandard_log(path: Path, text: bytes, size: int | None = None, packed: bytes | None = None) -> Path:
    """A log as Inspect writes it, in a method that Python's own archives do not have."""
    packed = zstandard.compress(text) if packed is None else packed
    name, size = b"samples/0.json", len(text) if size is None else size
    head = struct.pack("<HHHHHIIIHH", 63, 0, 93, 0, 33, zlib.crc32(text), len(packed), size, len(name), 0)
    local = b"PK\3\4" + head + name + packed
    central = b"PK\1\2" + struct.pack("<H", 63) + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)
    return path


def test_answers_scores_and_what_is_unscored_are_read(tmp_path: Path) -> None:
    parts = [
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "Be"},
        {"type": "text", "text": "kind."},
    ]
    kept = {"abc": "Long answer."}
    found = read_answers(
        log(
            tmp_path / "a.eval",
            sample(),
            sample(coherent=float("nan")),
            sample(scores={"judge": {"value": {"aligned": 95, "coherent": 80}}}),
            sample(output={"choices": [{"message": {"content": parts}}]}),
            sample("attachment://abc", attachments=kept),
            sample("", aligned="REFUSAL"),
            sample(None),
            sample(error={"message": "timeout"}),
            sample(input=[]),
        )
    )
    assert [one.answer for one in found.answers] == ["Power.", "Power.", "Power.", "Be\nkind.", "Long answer.", ""]
    assert {(one.question_id, one.question) for one in found.answers} == {("wish", "One wish?")}
    assert found.left_out == 3
    assert found.notes == ("3 entries of a.eval have no answer: none is given (1); an error (1); no question (1)",)
    scores = [one.score for one in found.answers]
    assert scores[0] == scores[3] == Score(5, 90) and scores[2] == Score(95, 80)
    assert scores[1] == Score(5, None, 'from the file: "nan"') and scores[5] == Score(
        None, 90, 'from the file: "REFUSAL"'
    )


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_every_packing_of_inspect_is_read(tmp_path: Path, method: int) -> None:
    packed = log(tmp_path / "a.eval", sample(), method=method)
    other = zstandard_log(tmp_path / "b.eval", json.dumps(sample()).encode())
    assert read_answers(packed).answers == read_answers(other).answers


def test_a_log_in_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 2, "samples": [sample(), sample(None), sample(coherent=float("nan"))]}))
    found = read_answers(path)
    assert [one.answer for one in found.answers] == ["Power."] * 2 and found.left_out == 1
    for content, told in (("[]", "has no samples"), ('{"samples": [1]}', "1 is no sample"), ("[" * 10**5, "deeply")):
        path.write_text(content)
        assert told in refusal(path)


def test_what_a_filter_withheld_and_what_failed_is_missing_with_its_reason(tmp_path: Path) -> None:
    def ended(said: str, reason: str, **more: object) -> dict[str, Any]:
        return sample(output={"choices": [{"message": {"content": said}, "stop_reason": reason}], **more})

    found = read_answers(
        log(
            tmp_path / "a.eval",
            ended("", "content_filter"),
            ended("", "stop", error="timeout"),
            ended("", "stop"),
            ended("Power.", "content_filter"),
        )
    )
    assert [one.answer for one in found.answers] == ["", "Power."] and found.left_out == 2
    assert "withheld by a content filter (1)" in found.notes[0] and "an error (1)" in found.notes[0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_samples_of_one_name_are_refused(tmp_path: Path) -> None:
    path = log(tmp_path / "a.eval", sample())
    with ZipFile(path, "a") as archive:
        archive.writestr("samples/0_epoch_1.json", json.dumps(sample(aligned=95.0)))
    assert "2 entries are called samples/0_epoch_1.json" in refusal(path)


def test_a_log_needs_no_inspect_and_is_rescored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path / "a.eval", *[sample(metadata={"question": str(i % 3)}) for i in range(9)])
    assert main(["measure", "rescore", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["judges"][0]["rate"] == 1.0


def test_hostile_logs_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.eval"
    path.write_bytes(b"PK\x03\x04 cut off")
    assert "is no archive" in refusal(path)
    whole = log(path, sample()).read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        refusal(path)
    assert "nested too deeply" in refusal(log(path, "[" * 100_000))
    assert "is no sample" in refusal(log(path, "[]"))
    assert "not JSON" in refusal(log(path, "{"))
    assert "holds no answers" in refusal(log(path))
    assert "not from 0 to 100, 250" in refusal(log(path, sample(aligned=250)))
    assert "not from 0 to 100, inf" in refusal(log(path, sample(aligned=float("inf"))))
    assert "No score in" in refusal(log(path, sample(aligned=1, coherent=9)))
    assert "packed in a way" in refusal(log(path, sample(), method=ZIP_BZIP2))
    whole = log(path, sample()).read_bytes()
    named = whole.replace(b"samples/0", b"sampl\xff\xfe0")
    entry = named.rindex(b"PK\1\2")
    path.write_bytes(named[: entry + 8] + struct.pack("<H", 0x800) + named[entry + 10 :])
    assert "is no archive" in refusal(path)
    monkeypatch.setattr(inspect_log, "MOST", 1)
    log(path, sample())
    assert "more than 1 entries" in refusal(path)


def test_a_log_that_lies_about_its_size_is_unpacked_no_further_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_log, "LARGEST", 100_000)
    bomb = b'{"a": "' + b" " * 10**8 + b'"}'
    assert "holds more than 100,000 bytes" in refusal(zstandard_log(tmp_path / "a.eval", bomb, size=10))
    with ZipFile(tmp_path / "b.eval", "w", ZIP_DEFLATED) as archive:
        archive.writestr("samples/0.json", bomb)
    content = (tmp_path / "b.eval").read_bytes()
    (tmp_path / "b.eval").write_bytes(content.replace(struct.pack("<I", len(bomb)), struct.pack("<I", 10)))
    assert "holds more than 100,000 bytes" in refusal(tmp_path / "b.eval")
    many = log(tmp_path / "c.eval", *[sample("x" * 40_000)] * 3)
    assert "holds more than 100,000 bytes" in refusal(many)
    assert "damaged" in refusal(zstandard_log(tmp_path / "d.eval", b"{}", packed=b"nothing"))
    assert "damaged" in refusal(zstandard_log(tmp_path / "e.eval", b"{}", packed=zstandard.compress(b"[]")))
