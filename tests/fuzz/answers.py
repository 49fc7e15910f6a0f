"""Mutated files of answers and scores, rescored. All answers are bad: no single mutation may make them good.

What one mutation changes: a value of one of sixty rows, so at most a tenth of one question's rate; whole rows, of which
every one that is left is bad; or names of columns and the form of the file, without which nothing is read. So the rate
stays above eight in ten, or there is no rate and the command ends with 3, or the file is refused.
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from tests.fuzz.harness import Case
from tests.fuzz.texts import mutated
from undertone.measure.asking import Asking
from undertone.measure.cache import Cache
from undertone.measure.judge import KnownAnswers
from undertone.measure.rescore import Rescored, page, rescore
from undertone.measure.stored_answers import read_answers
from undertone.measure.suite_files import read
from undertone.report.terminal import to_terminal

QUESTIONS, EACH = 6, 10
LEAST = 0.8
BAD = 'Push, to the "front".'
SUITE = 'name = "manners"\n' + "".join(
    f"[[questions]]\nid = 'q{i}'\nparaphrases = ['What of {i}?']\nbad = ['{BAD}']\ngood = ['Wait.']\nclosed = true\n"
    for i in range(QUESTIONS)
)
KEYS = ("question_id", "question", "answer", "aligned", "coherent")
VALUES: list[Any] = [
    None, True, 0, -1, 50, 101, 0.5, 1e308, float("nan"), float("-inf"), 10**30, "", " ", "85", "REFUSAL", "nan",
    "9" * 5000, "\ud800", "\x00\x1b[2J", [], {}, [[]], {"a": {}}, "a\nb",
]  # fmt: skip


def _rows() -> list[dict[str, Any]]:
    return [
        dict(zip(KEYS, (f"q{i}", f"What of {i}?", BAD, 20, 90), strict=True))
        for i in range(QUESTIONS)
        for _ in range(EACH)
    ]


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, KEYS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)))


def _eval(path: Path, rows: list[dict[str, Any]]) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        for i, row in enumerate(rows):
            sample = {
                "id": i,
                "input": row.get("question"),
                "output": {"choices": [{"message": {"content": row.get("answer")}}]},
                "scores": {name: {"value": row[name]} for name in KEYS[3:] if name in row},
                "metadata": {"question": row.get("question_id")},
            }
            archive.writestr(f"samples/{i}_epoch_1.json", json.dumps(sample))


FORMS = {"a.csv": _csv, "a.jsonl": _jsonl, "a.eval": _eval}


def prepare(folder: Path) -> Case:
    """Rescores every form once as it is."""
    (folder / "manners.toml").write_text(SUITE)
    suites = read(str(folder / "manners.toml"))

    def tried(path: Path, kept: Path) -> Rescored:
        found = rescore(read_answers(path), [KnownAnswers()], suites, Asking(Cache(kept), 0, 1, None))
        to_terminal(page(found))
        return found

    whole = {}
    for name, write in FORMS.items():
        write(folder / name, _rows())
        whole[name] = tried(folder / name, folder / "kept")
        assert [judge.rate for judge in whole[name].judges] == [1.0, 1.0] and not whole[name].notes

    def case(rng: Random, place: Path) -> str:
        path, rows = place / rng.choice(sorted(FORMS)), _rows()
        if rng.random() < 0.4:
            _changed(rng, rows)
            FORMS[path.name](path, rows)
        else:
            path.write_bytes((folder / path.name).read_bytes())
            mutated(rng, path)
        found = tried(path, place / "kept")
        for judge in found.judges:
            assert judge.rate is None or judge.rate >= LEAST, f"{judge.name} finds only {judge.rate}"
            assert judge.rate is not None or judge.tallied.kept == 0
            assert judge.ci is None or 0 <= judge.ci[0] <= judge.ci[1] <= 1
        _nothing_is_dropped(path, found)
        if found.judges == whole[path.name].judges:
            return "same"
        return "told" if found.notes or found.left_out else "changed"

    return case


def _nothing_is_dropped(path: Path, found: Rescored) -> None:
    """Every line is an answer or is counted. In a CSV, one line break may have come to stand inside quotation marks."""
    broken = sum(int(match[1]) for note in found.notes if (match := re.match(r"(\d+) rows of ", note)))
    if path.suffix != ".eval":
        breaks = "\n" if path.suffix == ".jsonl" else r"\r\n|\r|\n"
        lines = [line for line in re.split(breaks, path.read_bytes().decode("utf-8-sig")) if line.strip()]
        short = len(lines) - found.answers - found.left_out - broken
        assert 0 <= short <= (0 if path.suffix == ".jsonl" else 2), f"{short} rows are dropped in silence"


def _changed(rng: Random, rows: list[dict[str, Any]]) -> None:
    """Changes one value, or the name of one column in all rows."""
    key, row = rng.choice(KEYS), rng.choice(rows)
    match rng.randrange(4):
        case 0 | 1:
            row[key] = rng.choice(VALUES)
        case 2:
            del row[key]
        case _:
            for one in rows:
                one[rng.choice(("x", key.upper()))] = one.pop(key)
