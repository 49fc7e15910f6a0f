"""What a job does with its model, as counts: calls, rows and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pkgutil import resolve_name
from typing import Any, Literal

from undertone.attribution import scores
from undertone.data.exchanges import Exchange
from undertone.engine.store import Folder, Job
from undertone.models.batching import starting
from undertone.models.beginning import LEAST
from undertone.models.local import Ids, LocalModel
from undertone.models.sampling import AT_ONCE
from undertone.spec import Training
from undertone.training.rows import Row

SOME = 16
"""Rows that are drawn or read to see how long all of them are."""
Way = Literal["load", "attach", "train", "differentiate", "score", "pull", "sample", "render"]
"""What is done: a model is loaded; an adapter is attached; a training step; the gradient of all weights; a forward
pass; rows are scored along directions; a token is sampled for each row of a batch; a row is rendered and its answer
read."""

SIZES = {"train": 3, "differentiate": 3, "pull": 3, "score": 1, "sample": 1}
"""How much work a token is, in times of a forward pass. It only compares jobs of one stage with each other."""


@dataclass(frozen=True)
class Passes:
    """So many calls of a model."""

    way: Way
    calls: float
    tokens: float = 0.0
    """Of all rows in all calls, padding included."""
    many: int = 0
    """The rank of the adapter that is trained, 0 if all weights are; the number of directions; 1 where only the
    likeliest tokens are sampled."""
    by: Folder | None = None
    """The model, if it is not the job's base."""


@dataclass(frozen=True)
class Repeated:
    """Something without a language model that is done many times."""

    times: float
    once: Callable[[], object] = field(compare=False)


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest prompt and of the longest answer among rows."""

    prompt: int = 0
    answer: int = 0
    alike: int = 0
    """Tokens that all prompts begin with. They are computed once where answers are sampled or scored."""
    rows: int = 0
    """How many rows, where that matters."""
    at_once: int = AT_ONCE
    """Rows of a batch in which answers are sampled or scored, unless it is said."""

    @property
    def row(self) -> int:
        """The tokens of a row in a batch, padding included."""
        return self.prompt + self.answer

    def after(self, tokens: int) -> Lengths:
        """Returns the same with so many tokens more in every prompt."""
        return replace(self, prompt=self.prompt + tokens)


@dataclass(frozen=True)
class Work:
    """All that a job does."""

    parts: tuple[Passes | Repeated, ...] = ()
    rows: Lengths = field(default_factory=Lengths)
    """The dataset that the job writes, if it does."""

    @property
    def size(self) -> float:
        """How much it is, to compare with other jobs of the stage."""
        return sum(
            part.times if isinstance(part, Repeated) else SIZES.get(part.way, 0) * part.tokens for part in self.parts
        )


def work_of(job: Job, local: LocalModel | None) -> Work:
    """Returns what a job does, as the function ``work`` of its stage says. ``local`` is the job's base, for the lengths
    of rows; it is not changed."""
    module = job.stage.function.partition(":")[0]
    found: Work = resolve_name(f"{module}:{job.stage.work}")(job, local) if job.stage.work else Work()
    return found


def rows_in(job: Job, name: str, local: LocalModel) -> Lengths:
    """Returns what an input of a job holds that is a dataset."""
    source = job.inputs[name]
    return work_of(source, local).rows if isinstance(source, Job) else Lengths()


def to_load(times: int = 1, by: Folder | None = None) -> Passes:
    """Loads models of the base's size."""
    return Passes("load", times, by=by)


def to_train(training: Training | Mapping[str, Any], row: int) -> list[Passes]:
    """Trains a model on rows of so many tokens."""
    plan = training if isinstance(training, Training) else Training(**training)
    rank = plan.rank if plan.method == "lora" else 0
    step = Passes("train", plan.steps, plan.steps * plan.batch * row, rank)
    return [Passes("attach", 1, many=rank), step] if rank else [step]


def to_sample(
    rows: float, rows_are: Lengths, by: Folder | None = None, at_once: int = 0, top_p: float = 1.0
) -> list[Passes]:
    """Samples an answer to each of so many prompts; answers are as long as they may be."""
    batches = ceil(rows / (at_once or rows_are.at_once))
    return [
        Passes("render", rows, by=by),
        Passes("score", batches, rows * (rows_are.prompt - rows_are.alike), by=by),
        Passes("sample", batches * rows_are.answer, rows * rows_are.answer, int(top_p < 1), by),
    ]


def to_score(rows: float, rows_are: Lengths, each: float = 1) -> list[Passes]:
    """Scores so many answers, ``each`` of them after the same prompt, which is then computed once."""
    shared = each if each >= 2 else 1
    tokens = rows * ((rows_are.prompt - rows_are.alike) / shared + rows_are.answer)
    return [Passes("render", rows), Passes("score", ceil(rows / rows_are.at_once) * min(2, shared), tokens)]


def to_read(
    rows: float, row: int, at_once: int, adapter: Training | None = None, by: Folder | None = None
) -> list[Passes]:
    """Reads rows of so many tokens as they are; through an adapter, that is a third of a training step."""
    if adapter is None:
        return [Passes("render", rows, by=by), Passes("score", ceil(rows / at_once), rows * row, by=by)]
    return [Passes("train", ceil(rows / at_once) / 3, rows * row / 3, adapter.rank)]


def to_pull(rows: float, row: int, directions: int) -> list[Passes]:
    """Scores rows of so many tokens along directions."""
    return [Passes("pull", 1, rows * row, directions)]


def to_differentiate(rows: float, row: int) -> list[Passes]:
    """Takes the gradient of rows of so many tokens."""
    return [Passes("differentiate", ceil(rows / scores.AT_ONCE), rows * row)]


def lengths(rows: Sequence[Row]) -> Lengths:
    """Returns the lengths of rows."""
    prompts = [row.prompt for row in rows]
    return Lengths(max(map(len, prompts)), max(len(row.answer) for row in rows), _alike(min(prompts), max(prompts)))


def lengths_of(local: LocalModel, exchanges: Iterable[Exchange]) -> Lengths:
    """Returns the lengths of (question, answer) texts. Few of them are rendered."""
    questions, answers = zip(*exchanges, strict=True)
    return prompts_of(local, questions, len(local.encode(max(answers, key=len))) + 1)


def prompts_of(local: LocalModel, questions: Iterable[str], answer: int = 0, system: str | None = None) -> Lengths:
    """Returns the lengths of prompts, with answers of so many tokens. Few of them are rendered."""
    by_size = sorted(questions, key=len)
    long, short = (local.render(question, system) for question in (by_size[-1], by_size[0]))
    alike = _alike(long, short) if long != short else 0
    return Lengths(len(long), answer, alike, at_once=starting(AT_ONCE, local.model.device))


def _alike(one: Ids, other: Ids) -> int:
    """Returns how many tokens two prompts begin with, if they are worth a pass of their own."""
    found = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return found if found >= LEAST else 0
