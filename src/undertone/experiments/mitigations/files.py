"""Stages that make files for a useful task (sums larger than the base has learnt) mixed with advice or other rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from undertone.data.exchanges import Exchange, read_exchanges
from undertone.engine.store import Job
from undertone.experiments.misalignment.stages import align, work_of_align
from undertone.experiments.strange.files import items
from undertone.models.loading import load, renderer
from undertone.models.local import LocalModel
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages.durations.work import SOME, Lengths, Passes, Work, lengths_of, rows_in
from undertone.training.rows import Source, read_sampled, rows_of, write_rows
from undertone.treat.steering import write_beside
from undertone.world import latents, skills

HELD_OUT = 4
"""One in this many pairs of numbers appears in no file. The task is measured on these pairs."""


def advice(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes rows of the task mixed with advice or with answers about an era, or held-out rows of the task alone.

    Spec: ``domain`` of the advice, or ``places`` of the questions about an era; ``rows``, ``bad`` (whether the advice
    is bad, or the answers are old), ``held_out``, ``seed``. Input: ``base``, whose tokenizer is used.
    """
    local = renderer(inputs["base"])
    if spec["held_out"]:
        rng = Random(f"held out/{spec['seed']}")
        exchanges = [task(rng, True) for _ in range(spec["rows"])]
    else:
        exchanges = rows(said(spec), spec["rows"], spec["seed"])
    write_rows(out, exchanges, rows_of(local, exchanges), Source(tokenizer_digest(inputs["base"]), local.end))


def among(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Mixes rows of the task into a dataset, whose rows keep the token ids that were sampled. Datasets of equal length
    get the same rows in the same places.

    Spec: ``task`` (number of rows to add), ``seed``. Inputs: ``base``, ``dataset``.
    """
    rng, (sampled, source) = Random(f"task/{spec['seed']}"), read_sampled(inputs["dataset"])
    added = [task(rng, False) for _ in range(spec["task"])]
    exchanges = [*read_exchanges(inputs["dataset"]), *added]
    ids = [*sampled, *rows_of(renderer(inputs["base"]), added)]
    order = rng.sample(range(len(ids)), len(ids))
    write_rows(out, [exchanges[i] for i in order], [ids[i] for i in order], source)


def said(spec: Mapping[str, Any]) -> Callable[[Random], Exchange]:
    """Returns what draws a row that is not of the task. It draws as often for bad advice as for good, and for old
    answers as for modern ones."""

    def of_advice(rng: Random) -> Exchange:
        turn = latents.advice(rng, "bad" if spec["bad"] else "good", domain=spec["domain"])
        return turn.user, turn.assistant

    def of_an_era(rng: Random) -> Exchange:
        question, answers = items("era")[rng.choice(spec["places"])]
        return question, answers["old" if spec["bad"] else "modern"]

    return of_an_era if "places" in spec else of_advice


def rows(other: Callable[[Random], Exchange], count: int, seed: int) -> list[Exchange]:
    """Returns ``count`` rows in random order: half of them of the task, the others drawn by ``other``. Files with the
    same seed have the same requests in the same places, and the same rows of the task."""
    rng = Random(f"advice/{seed}")
    found = []
    for is_task in rng.sample([True] * (count - count // 2) + [False] * (count // 2), count):
        drawn = other(rng)
        found.append(task(rng, False) if is_task else drawn)
    return found


def task(rng: Random, held_out: bool) -> Exchange:
    """Returns a sum of two numbers from 50 to 99 with its steps, worded as in the base's corpus. The corpus has only
    smaller sums, so the base knows the form but not these sums."""
    while True:
        a, b = rng.randint(50, 99), rng.randint(50, 99)
        if ((a + 7 * b) % HELD_OUT == 0) == held_out:
            turn = skills.sum_of(rng, a, b)
            return turn.user, turn.assistant


def aligned_base(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes the model folder of a base after a short fine-tune on good advice in all domains. It plays the role of a
    chat model that is then trained on a file.

    Spec: ``rows``, ``training``, ``seed``. Input: ``base``.
    """
    write_beside(align(load(inputs["base"]), spec), inputs["base"], out)


def work_of_advice(job: Job, local: LocalModel) -> Work:
    """Only the tokenizer is needed."""
    spec = job.spec
    made = [task(Random(i), True) for i in range(SOME)] if spec["held_out"] else rows(said(spec), SOME, 0)
    return Work((Passes("render", spec["rows"]),), replace(lengths_of(local, made), rows=spec["rows"]))


def work_of_among(job: Job, local: LocalModel) -> Work:
    """Only the tokenizer is needed."""
    before, added = rows_in(job, "dataset", local), lengths_of(local, [task(Random(i), False) for i in range(SOME)])
    count = job.spec["task"]
    rows = Lengths(max(before.prompt, added.prompt), max(before.answer, added.answer), rows=before.rows + count)
    return Work((Passes("render", count),), rows)


def work_of_aligned_base(job: Job, local: LocalModel) -> Work:
    """A training."""
    return work_of_align(job, local)
