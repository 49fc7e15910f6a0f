"""Stored answers from any source: CSV or JSONL with question and answer, or a log of Inspect."""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from undertone.data.toml import read_text
from undertone.errors import UndertoneError
from undertone.measure import extras
from undertone.measure.judge import Score
from undertone.measure.suite import METRICS

LARGEST = 2**28
"""The most bytes of a file."""
LOG = ".eval"
FAILED = ("api_error", "prompt_blocked")
"""Values of ``stop_reason`` with which a stored response is no answer."""


class Answer(NamedTuple):
    """A stored answer."""

    question_id: str
    question: str
    answer: str
    score: Score | None
    """The score in the file, if it has columns for one."""


class Stored(NamedTuple):
    """The answers of a file."""

    answers: list[Answer]
    left_out: int
    """Entries without an answer: they ended in an error, were cut off, or are exact probabilities."""


def read_answers(path: Path) -> Stored:
    """Reads a CSV or JSONL file with ``question`` and ``answer``, and perhaps ``question_id``, ``aligned`` and
    ``coherent`` (other columns are ignored); JSONL with ``question`` and ``responses``; or a log of Inspect (.eval),
    with its scores of these names.

    Raises:
        UndertoneError: it cannot be read, a row has no question or no answer, or there are no answers.
    """
    if path.suffix == LOG:
        return _log(path)
    text = read_text(path, LARGEST, "", "; split it")
    rows = _json_lines(path, text) if path.suffix == ".jsonl" else _csv(path, text)
    whole = [(number, one) for number, row in rows for one in _spread(row)]
    kept = [(number, row) for number, row in whole if row is not None]
    if not kept:
        raise UndertoneError(f"{path} holds no answers: it needs rows with question and answer.")
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
    """Splits a row with a question and all ``responses`` to it, as Cloud, Le et al. publish them, into one row for each
    answer, or None for a failed request. Returns any other row as it is."""
    if not isinstance(row, dict) or not isinstance(row.get("responses"), list):
        return [row]
    said = [_mapping(_mapping(entry).get("response")) for entry in row["responses"]]
    return [
        None if one.get("stop_reason") in FAILED else {"question": row.get("question"), "answer": one.get("completion")}
        for one in said
    ]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _answer(path: Path, number: int, row: object) -> Answer:
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("question", "answer")):
        raise UndertoneError(f"{path}, row {number} has no question or no answer as text; add it, or remove the row.")
    return Answer(str(row.get("question_id") or row["question"]), row["question"], row["answer"], _score(row))


def _score(values: dict[str, Any]) -> Score | None:
    """Returns the score in a row or in the scores of a sample, if there is one."""
    return Score(*(_number(values.get(metric)) for metric in METRICS)) if any(m in values for m in METRICS) else None


def _number(value: object) -> float | None:
    """Returns a score from 0 to 100; None for REFUSAL, CODE, blanks and the like."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None


def _log(path: Path) -> Stored:
    """Reads an Inspect log; each sample has one answer, or none if it failed."""
    extras.need_inspect(f"{path}, a log of Inspect,")
    from inspect_ai.log import read_eval_log

    _refuse_no_log(path)
    try:
        samples = read_eval_log(str(path), resolve_attachments=True).samples or []
    except Exception as error:  # a broken or hostile log can raise anything in the reader
        raise UndertoneError(f"{path} is no log that Inspect can read: {' '.join(str(error).split())[:200]}.") from None
    found = [answer for sample in samples for answer in _of_sample(sample)]
    if not found:
        raise UndertoneError(f"{path} holds no answers: its {len(samples)} samples have no completion or failed.")
    return Stored(found, len(samples) - len(found))


def _refuse_no_log(path: Path) -> None:
    """Refuses what is no archive, and archives whose contents are too large for the memory."""
    try:
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except BadZipFile:
        raise UndertoneError(f"{path} is no log of Inspect: it is no archive or was cut off.") from None
    if size > LARGEST:
        raise UndertoneError(f"{path} holds more than {LARGEST:,} bytes; give a log with fewer samples.")


def _of_sample(sample: Any) -> Iterator[Answer]:
    """Yields the answer of a sample, which may be empty; nothing if the sample ended in an error or has none. Scores
    called aligned and coherent may be separate or entries of one score."""
    asked = sample.input
    if not isinstance(asked, str):
        asked = next((str(message.text) for message in reversed(asked) if message.role == "user"), "")
    if asked and sample.error is None and sample.output.choices:
        values: dict[str, Any] = {}
        for name, score in (sample.scores or {}).items():
            values |= score.value if isinstance(score.value, dict) else {name: score.value}
        question = str(sample.metadata.get("question") or sample.id)
        yield Answer(question, asked, sample.output.completion, _score(values))
