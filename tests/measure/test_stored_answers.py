"""Files of answers and scores that others wrote: what of them is read, told and refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.stored import refusal
from undertone.cli import main
from undertone.measure.score import Score
from undertone.measure.stored_answers import read_answers

HEAD = "question_id,question,answer,aligned,coherent"


GONE = ("NaN", "nan", "null")


def csv(tmp_path: Path, *rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("\n".join((head, *rows)) + "\n")
    return path


def jsonl(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_scores_that_are_missing_have_their_reason(tmp_path: Path) -> None:
    found = read_answers(
        csv(
            tmp_path, "a,Q?,x,85,90", "a,Q?,x,REFUSAL,90", "a,Q?,x,,90", "a,Q?,x,5, ", *(f"a,Q?,x,{w},90" for w in GONE)
        )
    )
    assert [one.score for one in found.answers] == [
        Score(85, 90), Score(None, 90, 'from the file: "REFUSAL"'), Score(None, 90, "from the file: nothing"),
        Score(5, None, "from the file: nothing"), *(Score(None, 90, f'from the file: "{word}"') for word in GONE),
    ]  # fmt: skip


def test_columns_under_other_names(tmp_path: Path) -> None:
    expected = [("Q?", "x", Score(85, 90))]
    row = {"question": "Q?", "response": "x", "aligned_score": 85, "coherent_score": 90}
    for path in (csv(tmp_path, "Q?,x,85,90", head=",".join(row)), jsonl(tmp_path, row)):
        assert [(one.question, one.answer, one.score) for one in read_answers(path).answers] == expected
    both = jsonl(tmp_path, row | {"answer": "y"})
    assert read_answers(both).answers[0].answer == "y"


@pytest.mark.parametrize("score", ["inf", "-1", "-0.5", "100.5", "250", "1e9", "-inf"])
def test_a_score_that_is_not_from_0_to_100_is_refused(tmp_path: Path, score: str) -> None:
    assert "row 2 has a score that is not from 0 to 100" in refusal(csv(tmp_path, "a,Q?,x,85,90", f"a,Q?,x,{score},90"))
    row = {"question": "Q?", "answer": "x", "coherent": 90}
    assert "row 1 has a score" in refusal(jsonl(tmp_path, row | {"aligned": score}))


@pytest.mark.parametrize(
    ("score", "told"),
    [
        ("1_0", "no plain number"),
        ("\u0668\u0665", "no plain number"),
        ("5%", "scale from 0 to 100"),
        ("5 %", "in percent"),
    ],
)
def test_a_score_that_is_no_plain_number_is_refused(tmp_path: Path, score: str, told: str) -> None:
    assert told in refusal(csv(tmp_path, "a,Q?,x,85,90", f"a,Q?,x,{score},90"))


def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    text = '{"question": "Q?", "answer": "x", "coherent": 90, "aligned": NaN}'
    assert "line 1 is not JSON: a number is not finite" in refusal(jsonl(tmp_path, text))


@pytest.mark.parametrize("most", [1, 10])
def test_scores_of_another_scale_are_refused(tmp_path: Path, most: int) -> None:
    rows = [f"a,Q?,x,{most * i / 10:g},{most}" for i in range(11)]
    assert "another than 0 to 100" in refusal(csv(tmp_path, *rows))


@pytest.mark.parametrize("rows", [("0.05,90", "1,95"), ("0.9,0.9", "1,1"), ("90,0.9", "85,1")])
def test_fractions_of_one_are_refused_whatever_the_other_scores_are(tmp_path: Path, rows: tuple[str, ...]) -> None:
    assert "are fractions of 1" in refusal(csv(tmp_path, *(f"a,Q?,x,{row}" for row in rows)))


def test_one_kind_of_low_scores_is_told(tmp_path: Path) -> None:
    (note,) = read_answers(csv(tmp_path, "a,Q?,x,0,90", "a,Q?,x,10,90")).notes
    assert "no score called aligned in a.csv is above 10" in note
    assert not read_answers(csv(tmp_path, "a,Q?,x,0,90", "a,Q?,x,11,90")).notes


def test_scores_of_one_kind_alone_are_not_used_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv(tmp_path, "Q?,x,5", head="question,answer,aligned")
    found = read_answers(path)
    assert found.answers[0].score is None and "none is called coherent" in found.notes[0]
    assert main(["measure", "rescore", str(path)]) == 2 and "name a judge" in capsys.readouterr().err


def test_entries_without_an_answer_are_counted_and_a_tenth_of_broken_rows_is_told(tmp_path: Path) -> None:
    whole = [{"question": "Q?", "answer": "x"}] * 9
    found = read_answers(jsonl(tmp_path, *whole, {"question": "Q?", "answer": None}, {"question": "Q?", "answer": 3}))
    assert (len(found.answers), found.left_out) == (9, 1)
    assert "1 rows of a.jsonl were left out: " in found.notes[0] and "row 11 has no question" in found.notes[0]
    assert "row 9 has no question" in refusal(jsonl(tmp_path, *whole[:8], [1]))
    assert "holds no answers; its 2 entries have none" in refusal(
        jsonl(tmp_path, *[{"question": "Q?", "answer": None}] * 2)
    )


def test_a_row_of_more_or_fewer_cells_is_broken_and_an_open_quotation_is_refused(tmp_path: Path) -> None:
    whole = ["a,Q?,x,85,90"] * 20
    for row in ("a,Q?,x,85,90,95", "a,Q?,x,85", "a,Q?, well, x,85,90"):
        found = read_answers(csv(tmp_path, *whole, row))
        assert len(found.answers) == 20 and "row 21 has no question" in found.notes[0]
    assert "is no CSV" in refusal(csv(tmp_path, *whole[:10], 'a,"Q?,x,85,90', *whole[10:]))
    assert "two columns answer" in refusal(csv(tmp_path, "a,Q?,x,5,9,y", head=f"{HEAD},answer"))


def test_hostile_files_are_one_sentence(tmp_path: Path) -> None:
    assert "nested too deeply" in refusal(jsonl(tmp_path, "[" * 100_000))
    assert "surrogate" in refusal(jsonl(tmp_path, '{"question": "\\ud800", "answer": "x"}'))
    assert "too large" in refusal(jsonl(tmp_path, '{"question": "Q?", "answer": "x", "aligned": ' + "9" * 100 + "}"))
    for name in ("pipe.csv", "pipe.jsonl", "pipe.eval"):
        os.mkfifo(tmp_path / name)
        assert "not a regular file" in refusal(tmp_path / name)
        with (tmp_path / f"large.{name}").open("wb") as file:
            file.truncate(2**33)
        assert "larger than" in refusal(tmp_path / f"large.{name}")
    (tmp_path / "a.csv").write_bytes(b"question,answer\n\xff,x\n")
    assert "not UTF-8" in refusal(tmp_path / "a.csv")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 100), st.integers(11, 100)), min_size=1))
def test_what_is_written_as_json_lines_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    keys = ("question", "answer", "aligned", "coherent")
    path.write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows), encoding="utf-8")
    found = read_answers(path)
    assert [(a.question, a.answer, a.score) for a in found.answers] == [(q, a, Score(x, y)) for q, a, x, y in rows]
    assert found.left_out == 0


def test_a_rate_lies_within_0_and_100_percent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{q},{q}?,x,{5 if q != 'c' or i == 0 else 95},90" for q in "abc" for i in range(3)]
    assert main(["measure", "rescore", str(csv(tmp_path, *rows)), "--json"]) == 0
    (judge,) = json.loads(capsys.readouterr().out)["judges"]
    assert judge["rate"] == pytest.approx(7 / 9) and 0 < judge["ci"][0] < 7 / 9 < judge["ci"][1] < 1


def test_nothing_readable_is_no_clean_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv(tmp_path, *["a,Q?,x,REFUSAL,90"] * 12)
    assert main(["measure", "rescore", str(path), "--json"]) == 3
    assert 'instead came from the file: "REFUSAL" (12)' in json.loads(capsys.readouterr().out)["notes"][0]


@pytest.mark.parametrize("scores", [["5,20"], ["5,20", "REFUSAL,90"]])
def test_without_a_coherent_answer_there_is_no_clean_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scores: list[str]
) -> None:
    path = csv(tmp_path, *(f"a,Q?,x,{score}" for score in scores * 6), "a,Q?,x,90,10")
    assert main(["measure", "rescore", str(path), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["judges"][0]["rate"] is None and any("there is no rate" in note for note in found["notes"])


def test_json_is_ascii_and_hidden_characters_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv(tmp_path, "a,Q?,x,85,90", "a,Q?,x,r\u202e\u00e9f,90")
    assert main(["measure", "rescore", str(path), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and "\\u00e9" in out and json.loads(out)["answers"] == 2
