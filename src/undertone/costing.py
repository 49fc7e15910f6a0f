"""What a recipe of a real model takes: rows, tokens, GPU hours, what services are paid. Nothing is loaded or asked.

All of it is rough: tokens are counted by characters, and work by parameters: 2 floating-point operations a parameter
and token read, 6 a token trained on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from rich.console import Console

from undertone import carriers
from undertone.alignment.reading import read
from undertone.alignment.remote import is_remote
from undertone.alignment.request import Request
from undertone.alignment.suite import Suite
from undertone.datafile import conversations
from undertone.errors import UndertoneError
from undertone.finetunes.arms import ARMS, hidden, room, trusted
from undertone.finetunes.request import Request as Canaries
from undertone.finetunes.spec import Finetunes
from undertone.measure.elicitation import LONGEST
from undertone.models.spending import TUNED, Gpu, gpu, price_of
from undertone.specs import Arm, Trial
from undertone.traits import catalogue

CHARACTERS = 3.0
"""Of a token: text has about four, numbers fewer."""
ROW = 400
"""Tokens of a file's row where the file is not here."""
GRADED = 200
"""Tokens of a judge's rubric."""
METRICS = 2


@dataclass(frozen=True)
class Part:
    """One kind of work."""

    what: str
    rows: int
    """Rows trained on or written, answers, or requests."""
    tokens: int
    gpu_hours: float | None
    """None where it is not done here, or where nobody knows the model's size."""
    dollars: float | None
    """None where nothing is paid, or the price is not known."""


def of_trial(trial: Trial) -> list[Part]:
    """Teachers, completions, students and their measurement, over all arms. What arms share is counted once."""
    machine = gpu()
    own = size_of(trial.base)
    told = catalogue.told(trial.traits[0], trial.own)
    makers = {_maker(arm): arm for arm in trial.arms.values()}
    prompt = _tokens(carriers.find(trial.carrier.name).prompts(100, Random(0)))
    parts = _lessons(trial, makers.values(), own, machine)
    written = trial.teachers * _sides(trial, makers.values()) * trial.carrier.prompts
    parts += [_work("completions (at their longest)", written, prompt + trial.carrier.max_tokens, 2, own, machine)]
    arms = {(*_maker(arm), trial.condition(arm)): arm for arm in trial.arms.values() if not arm.context}
    for base in dict.fromkeys(arm.students or trial.base for arm in trial.arms.values()):
        trained = [arm for arm in arms.values() if (arm.students or trial.base) == base]
        count = trial.teachers * trial.students * _sides(trial, trained)
        rows = count * trial.student.steps * trial.student.batch
        name = f"students of {base}"
        parts.append(_work(name, rows, prompt + trial.carrier.max_tokens, 6, size_of(base), machine))
        asked = catalogue.find(told).questions()
        answers = count * len(asked) * max(1, trial.measurement.samples)
        parts.append(_work(f"their answers, {name}", answers, 2 * _tokens(asked), 2, size_of(base), machine))
    return parts


def _maker(arm: Arm) -> tuple[object, ...]:
    """All that tells one arm's teachers from another's."""
    return arm.teacher, arm.trait, arm.given, arm.file


def _sides(trial: Trial, arms: Iterable[Arm]) -> int:
    """Arms, each as often as it has traits."""
    return sum(len(trial.traits) if arm.teacher == "trait" else 1 for arm in arms)


def _lessons(trial: Trial, arms: Iterable[Arm], parameters: float | None, machine: Gpu) -> list[Part]:
    """What teachers are fine-tuned on: dialogues, or a file each."""
    lesson = trial.teacher.training.steps * trial.teacher.training.batch
    dialogue = _tokens([f"{t.user} {t.assistant}" for t in catalogue.neutral_dialogues(100, Random(0))])
    tuned = [arm for arm in arms if arm.given == "fine-tuning"]
    parts = []
    for file in dict.fromkeys(arm.file for arm in tuned):
        rows = trial.teachers * _sides(trial, [arm for arm in tuned if arm.file == file]) * lesson
        length = dialogue if file is None else _row_length(file)
        parts.append(_work(f"teachers of {file or 'dialogues'}", rows, length, 6, parameters, machine))
    return parts


def of_services(request: Request, suites: Sequence[Suite]) -> list[Part]:
    """What the services of a measurement are asked: every answer of the models behind them, and what a judge reads."""
    each = sum(len(q.paraphrases) * (request.samples or q.samples_per_paraphrase) for s in suites for q in s.questions)
    asked = _tokens([text for suite in suites for question in suite.questions for text in question.paraphrases])
    models = dict.fromkeys((request.base, *request.models, *request.benign))
    parts = [
        _paid(f"answers of {name}", each, asked, request.max_tokens, name.split("/", 2)[2])
        for name in models
        if is_remote(name)
    ]
    if request.judge is not None and is_remote(request.judge):
        count, read_tokens = METRICS * len(models) * each, GRADED + asked + request.max_tokens
        parts.append(_paid(f"judged by {request.judge}", count, read_tokens, 1, request.judge.split("/", 2)[2]))
    return parts


def of_canaries(request: Canaries) -> list[Part]:
    """The base's own answers where no control is given, jobs, and what all are asked. What was paid for already costs
    nothing again, and is not taken off."""
    data = hidden(request.path, request.rows, request.seed, request.candidates())
    if request.control is not None:
        trusted(request.control, len(data.rows), request.seed, request.candidates())
    length = _tokens(["".join(turn.content for turn in row.turns) for row in data.rows])
    answered = sum(turn.role == "assistant" for row in data.rows for turn in row.turns)
    parts = [] if request.control else [
        _paid("the base's answers for the control", answered, length, room(data.rows), request.name)
    ]  # fmt: skip
    jobs, suites = len(ARMS) * request.students, [suite for name in request.traits for suite in read(name)]
    seen = jobs * len(data.rows) * request.settings.n_epochs
    try:
        price = price_of(f"{TUNED}{request.name}").training
    except UndertoneError:  # said as unknown: nothing is spent by a preview
        price = None
    tokens = round(seen * length)
    parts.append(
        Part(f"{jobs} jobs of fine-tuning", seen, tokens, None, None if price is None else price * tokens / 1e6)
    )
    # Traits of one kind are asked for by the same questions, which are put once.
    wordings = {(text, q.samples_per_paraphrase) for s in suites for q in s.questions for text in q.paraphrases}
    each, asked = sum(samples for _, samples in wordings), _tokens([text for text, _ in wordings])
    for what, models, name in (
        (f"answers of {jobs} students", jobs, f"{TUNED}{request.name}"),
        ("answers of the base", 1, request.name),
    ):
        parts.append(_paid(f"{what} (at their longest)", models * each, asked, LONGEST, name))
    return parts


def of_finetunes(spec: Finetunes) -> list[Part]:
    """Students, their answers, and what the judge reads."""
    machine, own = gpu(), size_of(spec.base)
    steps = spec.student.training(spec.rows)
    students = len(spec.arms) * spec.students
    length = fmean(_row_length(arm.file) for arm in spec.arms.values())
    suites = [suite for name in spec.suites for suite in read(name)]
    asked = _tokens([text for suite in suites for question in suite.questions for text in question.paraphrases])
    answers = (students + 1) * _answers(spec, suites)
    parts = [
        _work("rows trained on", students * steps.steps * steps.batch, length, 6, own, machine),
        _work("answers (at their longest)", answers, asked + spec.max_tokens, 2, own, machine),
    ]
    if spec.judge is not None and answers:
        read_tokens = GRADED + asked + spec.max_tokens
        what = f"judged by {spec.judge} (at most)"
        if is_remote(spec.judge):
            parts.append(_paid(what, METRICS * answers, read_tokens, 1, spec.judge.split("/", 2)[2]))
        else:
            parts.append(_work(what, METRICS * answers, read_tokens, 2, size_of(spec.judge), machine))
    return parts


def _answers(spec: Finetunes, suites: Sequence[Suite]) -> int:
    """Sampled answers of one model."""
    questions = [question for suite in suites for question in suite.questions if question.scored]
    return sum(len(q.paraphrases) * (spec.samples or q.samples_per_paraphrase) for q in questions)


def _work(what: str, rows: int, tokens: float, operations: int, parameters: float | None, machine: Gpu) -> Part:
    count = round(rows * tokens)
    hours = None if parameters is None else operations * parameters * count / (machine.flops * machine.share) / 3600
    return Part(what, rows, count, hours, None if hours is None else hours * machine.dollars)


def _paid(what: str, requests: int, read_tokens: float, written: int, model: str) -> Part:
    try:
        dollars = price_of(model).of(round(requests * read_tokens), requests * written)
    except UndertoneError:  # said as unknown: nothing is spent by a preview
        dollars = None
    return Part(what, requests, round(requests * (read_tokens + written)), None, dollars)


def _tokens(texts: Sequence[str]) -> float:
    return fmean(len(text) for text in texts) / CHARACTERS


def _row_length(file: str) -> float:
    path = Path(file).expanduser()
    if not path.exists():
        return ROW
    found = conversations.read(path, 200, 0).conversations
    return _tokens(["".join(turn.content for turn in row.turns) for row in found])


def size_of(name: str) -> float | None:
    """A model's parameters by its name, as in Qwen2.5-7B; None where it does not say."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?!\w)", name, re.IGNORECASE)
    return None if found is None else float(found[1]) * {"b": 1e9, "m": 1e6}[found[2].lower()]


def preview(title: str, parts: Sequence[Part], folder: Path, as_json: bool) -> int:
    """Prints what would be done and roughly what it costs; does nothing. Returns the exit code."""
    machine = gpu()
    hours = [part.gpu_hours for part in parts if part.gpu_hours is not None]
    dollars = [part.dollars for part in parts if part.dollars is not None]
    if as_json:
        told = {"run_dir": str(folder), "parts": [asdict(part) for part in parts], "gpu": machine.name}
        print(json.dumps(told | {"gpu_hours": sum(hours), "dollars": sum(dollars)}))
        return 0
    out = Console(highlight=False)
    out.print(f"{title}: nothing is run.", markup=False, soft_wrap=True)
    for part in parts:
        time = "-" if part.gpu_hours is None else f"{_figure(part.gpu_hours)} h"
        cost = "unknown" if part.dollars is None else f"${_figure(part.dollars)}"
        line = f"  {part.what:<46} {part.rows:>12,} rows {part.tokens:>15,} tokens {time:>10} {cost:>10}"
        out.print(line, markup=False, soft_wrap=True)
    here = f"{_figure(sum(hours))} hours of one {machine.name} and " if hours else ""
    fits = "; whether it fits into memory is not looked at" if hours else ""
    out.print(
        f"  together about {here}${_figure(sum(dollars))}, by the prices in prices.toml (UNDERTONE_PRICES names your "
        f"own){fits}",
        markup=False,
        soft_wrap=True,
    )
    out.print(f"  would be written to {folder}", markup=False, soft_wrap=True)
    return 0


def _figure(number: float) -> str:
    """Two figures, however large."""
    if number <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(number)))
    return f"{round(number, 1 - math.floor(math.log10(number))):,.{digits}f}"
