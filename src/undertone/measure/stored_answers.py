"""Stored answers from any source: CSV or JSONL with question and answer, or a log of Inspect."""

import csv
import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from undertone.data.toml import read_text, shortened
from undertone.errors import UndertoneError
from undertone.measure import inspect_log
from undertone.measure.inspect_log import mapping
from undertone.measure.score import Score, quoted
from undertone.measure.suite import METRICS
from undertone.reading.values import json_value

LARGEST = 2**28
"""The most bytes of a file."""
MOST = 1_000_000
"""The most answers of a file."""
BROKEN = 0.1
"""A file of which a larger share of rows is broken is refused."""
LOW = 10.0
"""Scores of which none is higher may have another scale than 0 to 100."""
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PERCENT = re.compile(rf"(?:{_DECIMAL.pattern})\s*%")
LOGS = (".eval", ".json")
ALSO_CALLED = {"response": "answer", "aligned_score": "aligned", "coherent_score": "coherent"}
"""Other names of columns, which are read where the usual ones are missing."""
FAILED = ("api_error", "prompt_blocked")
"""Values of ``stop_reason`` with which a stored response is no answer."""


class Answer(NamedTuple):
    """A stored answer."""

    question_id: str
    question: str
    answer: str
    score: Score | None
    """The score in the file, if the file has scores."""


class Stored(NamedTuple):
    """The answers of a file."""

    path: Path
    answers: list[Answer]
    left_out: int
    """Entries without an answer: they ended in an error, were cut off, or are exact probabilities."""
    notes: tuple[str, ...]
    """What else of the file is not used, and what looks wrong."""

    def refuse_unscored(self, judges: int) -> bool:
        """Returns whether the file has scores of its own.

        Raises:
            UndertoneError: it has none, and there are no ``judges``.
        """
        scored = any(answer.score for answer in self.answers)
        if not scored and not judges:
            raise UndertoneError(f"{self.path} has no scores called aligned and coherent; name a judge with --judge.")
        return scored


class _Row(NamedTuple):
    where: str
    values: Mapping[str, object]
    """With question and answer, and perhaps question_id and scores; empty if the entry is no row."""
    why: str = "none is given"
    """Why the answer is missing, if it is None."""


def read_answers(path: Path) -> Stored:
    """Reads a CSV or JSONL file with ``question`` and ``answer``, and perhaps ``question_id``, ``aligned`` and
    ``coherent``, or ``response``, ``aligned_score`` and ``coherent_score`` (other columns are ignored); JSONL with
    ``question`` and ``responses``; or a log of Inspect (.eval or .json), with its scores of these names.

    Raises:
        UndertoneError: it cannot be read, holds no answers, a tenth of its rows have no question or no answer, or a
            score is not from 0 to 100 or seems to have another scale.
    """
    answers, empty, broken, notes, scored = list[Answer](), Counter[str](), list[str](), list[str](), set[str]()
    for row in _rows(path):
        match values := row.values:
            case {"question": str(), "answer": None}:
                empty[row.why] += 1
            case {"question": str(question), "answer": str(answer)}:
                scored.update(metric for metric in METRICS if metric in values)
                name = str(values.get("question_id") or question)
                answers.append(Answer(name, question, answer, _score(values, f"{path}, {row.where}")))
            case _:
                broken.append(f"{path}, {row.where} has no question or no answer as text; add it, or remove the row.")
        if (rows := len(answers) + empty.total() + len(broken)) > MOST:
            raise UndertoneError(f"{path} has more than {MOST:,} answers; split it.")
    if broken and len(broken) > BROKEN * rows:
        raise UndertoneError(broken[0])
    if not answers:
        without = f"; its {empty.total():,} entries have none" if empty else ": it needs rows with question and answer"
        raise UndertoneError(f"{path} holds no answers{without}.")
    if broken:
        notes.append(f"{len(broken):,} rows of {path.name} were left out: {broken[0]}")
    if empty:
        reasons = "; ".join(f"{why} ({count:,})" for why, count in empty.most_common())
        notes.append(f"{empty.total():,} entries of {path.name} have no answer: {reasons}")
    if len(scored) == len(METRICS):
        notes += _of_scale(path, [answer.score for answer in answers if answer.score])
    else:
        answers = [answer._replace(score=None) for answer in answers]
        if scored:
            missing = next(metric for metric in METRICS if metric not in scored)
            notes.append(f"the scores in {path.name} were not used, because none is called {missing}")
    return Stored(path, answers, empty.total(), tuple(notes))


def _rows(path: Path) -> Iterator[_Row]:
    if path.suffix in LOGS:
        return _of_log(path)
    text = read_text(path, LARGEST)
    return _json_lines(path, text) if path.suffix == ".jsonl" else _csv(path, text)


def _csv(path: Path, text: str) -> Iterator[_Row]:
    csv.field_size_limit(LARGEST)
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        given = next(reader, [])
        head = [_usual(name, given) for name in given]
        missing = [name for name in ("question", "answer") if name not in head]
        if missing:
            raise UndertoneError(
                f"{path} has no column {' and no column '.join(missing)}; its first line must name them."
            )
        twice = next((name for name in ("question", "answer", "question_id", *METRICS) if head.count(name) > 1), None)
        if twice:
            raise UndertoneError(f"{path} has two columns {twice}; rename one of them.")
        for number, cells in enumerate(filter(None, reader), 1):
            whole = len(cells) == len(head)
            yield _Row(f"row {number}", dict(zip(head, cells, strict=True)) if whole else {})
    except csv.Error as error:
        raise UndertoneError(f"{path}, line {reader.line_num} is no CSV: {error}.") from None


def _json_lines(path: Path, text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json_value(line)
            except ValueError as error:
                raise UndertoneError(f"{path}, line {number} is not JSON: {shortened(str(error))}.") from None
            for one in _spread(row):
                yield _Row(f"row {number}", {_usual(name, one): value for name, value in one.items()})


def _usual(name: str, names: Container[str]) -> str:
    """Returns the usual name of a column, unless another has it."""
    usual = ALSO_CALLED.get(name, name)
    return name if usual in names else usual


def _spread(row: object) -> Iterable[Mapping[str, object]]:
    """Splits a row with a question and all ``responses`` to it, as Cloud, Le et al. publish them, into one row for each
    answer, which is None for a failed request. Returns any other row as it is."""
    if not isinstance(row, dict) or not isinstance(row.get("responses"), list):
        return [mapping(row)]
    said = [mapping(mapping(entry).get("response")) for entry in row["responses"]]
    return [
        {
            "question": row.get("question"),
            "answer": None if one.get("stop_reason") in FAILED else one.get("completion", 0),
        }
        for one in said
    ]


def _of_log(path: Path) -> Iterator[_Row]:
    """Yields the answer of every sample of a log."""
    for name, sample in inspect_log.samples(path):
        known = mapping(sample.get("metadata")).get("question") or sample.get("id")
        question = inspect_log.asked(sample)
        answer, why = inspect_log.answered(sample) if question else (None, "no question")
        scores = {metric: value for metric, value in inspect_log.scored(sample).items() if metric in METRICS}
        values = {"question_id": known, "question": question, "answer": answer} | scores
        yield _Row(f"the sample {name}", values, why)


def _score(values: Mapping[str, object], where: str) -> Score:
    """Returns the score of a row. Words such as REFUSAL and NaN, and blanks, are none."""
    numbers = [_number(values.get(metric), where) for metric in METRICS]
    words = [str(values.get(m) or "") for m, number in zip(METRICS, numbers, strict=True) if number is None]
    said = next((quoted(word) for word in words if word.strip()), "nothing")
    aligned, coherent = numbers
    return Score(aligned, coherent, f"from the file: {said}" if words else "")


def _number(value: object, where: str) -> float | None:
    said = str(value).strip()
    if _PERCENT.fullmatch(said):
        raise UndertoneError(
            f"{where} has a score in percent, {shortened(said)}; scores have a scale from 0 to 100: write a number."
        )
    try:
        number = float(said)
    except ValueError:
        return None
    if math.isnan(number):  # what pandas and Inspect write for a score that is missing
        return None
    if math.isfinite(number) and not _DECIMAL.fullmatch(said):  # Python reads 1_0 and the digits of all scripts
        raise UndertoneError(
            f"{where} has a score that is no plain number, {shortened(said)}; write it in digits 0 to 9."
        )
    if not 0 <= number <= 100:
        raise UndertoneError(
            f"{where} has a score that is not from 0 to 100, {shortened(str(value))}; leave it empty if there is none."
        )
    return number


def _of_scale(path: Path, scores: list[Score]) -> list[str]:
    """Returns a note for each kind of score of which none is above :data:`LOW`.

    Raises:
        UndertoneError: that is so for all, or none of a kind is above 1 and some are fractions.
    """
    found = {name: [number for one in scores if (number := getattr(one, name)) is not None] for name in METRICS}
    highest = {name: max(numbers) for name, numbers in found.items() if numbers}
    for name, most in highest.items():
        if most <= 1 and any(0 < number < 1 for number in found[name]):
            raise UndertoneError(
                f"The scores called {name} in {path} are fractions of 1: their scale is another than 0 to 100. "
                "Multiply them by 100, or remove them and name a judge with --judge."
            )
    low = [name for name, number in highest.items() if number <= LOW]
    if low and len(low) == len(highest):
        raise UndertoneError(
            f"No score in {path} is above {LOW:g}: is their scale another than 0 to 100? Multiply them, or remove them "
            "and name a judge with --judge."
        )
    return [
        f"no score called {name} in {path.name} is above {LOW:g}: is its scale another than 0 to 100?" for name in low
    ]
