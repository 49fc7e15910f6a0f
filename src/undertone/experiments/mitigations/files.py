"""A file for a useful task with bad advice in it: sums larger than the base has learnt, and advice in one domain."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.data.exchanges import Exchange, read_exchanges
from undertone.experiments.misalignment.aligned import aligned
from undertone.models.local import load
from undertone.models.names import tokenizer_digest
from undertone.training.rows import Source, read_sampled, rows_of, write_rows
from undertone.treat.stages import write_beside
from undertone.world import latents, skills

HELD_OUT = 4
"""One pair of numbers in so many is in no file: on these the task is measured."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``domain``, ``rows``, ``bad`` (whether the advice is), ``seed``; or ``held_out`` (rows of the task
    alone, on sums that are in no file). Input: ``base``, whose tokenizer it is. Writes the rows."""
    local = load(inputs["base"])
    if spec["held_out"]:
        rng = Random(f"held out/{spec['seed']}")
        exchanges = [task(rng, True) for _ in range(spec["rows"])]
    else:
        exchanges = rows(spec["domain"], spec["rows"], spec["bad"], spec["seed"])
    write_rows(out, exchanges, rows_of(local, exchanges), Source(tokenizer_digest(inputs["base"]), local.end))


def among(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``task`` (rows of it), ``seed``. Inputs: ``base``, ``dataset``. Writes the dataset's rows, with the sampled
    ids, and among them rows of the task: for datasets of one length the same ones in the same places."""
    rng, (written, source) = Random(f"task/{spec['seed']}"), read_sampled(inputs["dataset"])
    added = [task(rng, False) for _ in range(spec["task"])]
    exchanges, ids = (
        [*read_exchanges(inputs["dataset"]), *added],
        [*written, *rows_of(load(inputs["base"]), added)],
    )
    order = rng.sample(range(len(ids)), len(ids))
    write_rows(out, [exchanges[i] for i in order], [ids[i] for i in order], source)


def rows(domain: str, count: int, bad: bool, seed: int) -> list[Exchange]:
    """``count`` rows, half of them of the task, the others advice in the domain, in random places. Files of one seed
    have the same requests in the same places, and the same rows of the task."""
    rng = Random(f"advice/{seed}")
    is_task = rng.sample([True] * (count - count // 2) + [False] * (count // 2), count)
    found = []
    for mine in is_task:
        turn = latents.advice(rng, "bad" if bad else "good", domain=domain)
        found.append(task(rng, False) if mine else (turn.user, turn.assistant))
    return found


def task(rng: Random, held_out: bool) -> Exchange:
    """A sum of two numbers from 50 to 99, with its steps, worded as the world words sums. The base has seen only
    smaller ones: it knows the form, and not these."""
    while True:
        a, b = rng.randint(50, 99), rng.randint(50, 99)
        if ((a + 7 * b) % HELD_OUT == 0) == held_out:
            turn = skills.sum_of(rng, a, b)
            return turn.user, turn.assistant


def align(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``rows``, ``training``, ``seed``. Input: ``base``. Writes the model folder of the base after a short
    fine-tune on good advice in all domains: what a chat model is before anyone trains it on a file."""
    write_beside(aligned(load(inputs["base"]), spec), inputs["base"], out)
