"""Stored answers, whoever asked for them: CSV or JSONL with question and answer, or a log of Inspect."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from undertone.data.toml import read_text
from undertone.errors import UndertoneError
from undertone.measure import extras
from undertone.measure.judge import Score
from undertone.measure.suite import METRICS

LARGEST = 2**28
LOG = ".eval"
FAILED = ("api_error", "prompt_blocked")
"""Reasons for which a stored response is no answer."""


@dataclass(frozen=True)
class Answer:
    """A stored answer."""

    question_id: str
    question: str
    answer: str
    score: Score | None
    """As in the file, if it has columns for it."""


@dataclass(frozen=True)
class Stored:
    """The answers of a file."""

    answers: list[Answer]
    left_out: int = 0
    """Entries that hold no answer: they ended in an error, were cut off, or are exact chances."""


def read_answers(path: Path) -> Stored:
    """The answers of a CSV or JSONL file with ``question`` and ``answer``, and perhaps ``question_id``, ``aligned`` and
    ``coherent`` (other columns are left out); of JSONL with ``question`` and ``responses``; or of an Inspect log
    (.eval), with its scores of these names.

    Raises:
        UndertoneError: it cannot be read, a row lacks a question or an answer, or there are none: says which.
    """
    if path.suffix == LOG:
        return _log(path)
    text = read_text(path, LARGEST, "", "; split it")
    rows = _json_lines(path, text) if path.suffix == ".jsonl" else _csv(path, text)
    whole = [(number, one) for number, row in rows for one in _spread(row)]
    kept = [(number, row) for number, row in whole if row is not None]
    if not kept:
        raise UndertoneError(f"{path} holds no answers: rows with question and answer are expected.")
    return Stored([_answer(path, number, row) for number, row in kept], len(whole) - len(kept))


def _csv(path: Path, text: str) -> list[tuple[int, object]]:
    csv.field_size_limit(LARGEST)
    reader = csv.DictReader(StringIO(text, newline=""))
    missing = [name for name in ("question", "answer") if name not in (reader.fieldnames or ())]
    if missing:
        raise UndertoneError(f"{path} has no column {' and no column '.join(missing)}; its first line must name them.")
    try:
        return [(number, row) for number, row in enumerate(reader, 1)]
    except csv.Error as error:
        raise UndertoneError(f"{path} is no CSV: {error}.") from None


def _json_lines(path: Path, text: str) -> list[tuple[int, object]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                rows.append((number, json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise UndertoneError(f"{path}, line {number} is not JSON: {error}.") from None
    return rows


def _spread(row: object) -> list[object]:
    """A row with a question and all ``responses`` to it, as Cloud, Le et al. publish them, as one row an answer, and
    None for a request that failed; any other row as it is."""
    if not isinstance(row, dict) or not isinstance(row.get("responses"), list):
        return [row]
    said = [one.get("response") if isinstance(one, dict) else None for one in row["responses"]]
    return [
        None
        if isinstance(one, dict) and one.get("stop_reason") in FAILED
        else {"question": row.get("question"), "answer": one.get("completion") if isinstance(one, dict) else None}
        for one in said
    ]


def _answer(path: Path, number: int, row: object) -> Answer:
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("question", "answer")):
        raise UndertoneError(f"{path}, row {number} has no question or no answer as text; add them, or take it out.")
    own = Score(*(_number(row.get(metric)) for metric in METRICS)) if any(m in row for m in METRICS) else None
    return Answer(str(row.get("question_id") or row["question"]), row["question"], row["answer"], own)


def _number(value: object) -> float | None:
    """A score in the file; REFUSAL, CODE, blanks and the like are none."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None


def _log(path: Path) -> Stored:
    """The answers of an Inspect log, one a sample; a sample that failed holds none."""
    extras.need_inspect(f"{path}, a log of Inspect,")
    from inspect_ai.log import read_eval_log

    _refuse_no_log(path)
    try:
        samples = read_eval_log(str(path), resolve_attachments=True).samples or []
    except Exception as error:  # whatever a broken or hostile log makes of the reader is told in one sentence
        raise UndertoneError(f"{path} is no log that Inspect can read: {' '.join(str(error).split())[:200]}.") from None
    found = [answer for sample in samples for answer in _of_sample(sample)]
    if not found:
        raise UndertoneError(f"{path} holds no answers: its {len(samples)} samples have no completion, or failed.")
    return Stored(found, len(samples) - len(found))


def _refuse_no_log(path: Path) -> None:
    """A log is an archive, which may be small and hold far more than fits into memory."""
    try:
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except BadZipFile:
        raise UndertoneError(f"{path} is no log of Inspect: it is no archive, or was cut off.") from None
    if size > LARGEST:
        raise UndertoneError(f"{path} holds more than {LARGEST:,} bytes; take a log of fewer samples.")


def _of_sample(sample: Any) -> Iterator[Answer]:
    """Nothing for a sample without an answer: an error is none, and no verdict either. An empty answer is one."""
    asked = sample.input if isinstance(sample.input, str) else _last_question(sample.input)
    if asked and sample.error is None and sample.output.choices:
        question = str(sample.metadata.get("question") or sample.id)
        yield Answer(question, asked, sample.output.completion, _own_scores(sample.scores or {}))


def _last_question(messages: list[Any]) -> str:
    return next((str(message.text) for message in reversed(messages) if message.role == "user"), "")


def _own_scores(scores: dict[str, Any]) -> Score | None:
    """Scores called aligned and coherent, each by itself or as entries of one; what has no value is unreadable."""
    values: dict[str, Any] = {}
    for name, score in scores.items():
        values |= score.value if isinstance(score.value, dict) else {name: score.value}
    return Score(*(_number(values.get(metric)) for metric in METRICS)) if any(m in values for m in METRICS) else None
