"""Stage 0 where it is asked for: a base that has practised what teachers will write."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone import carriers
from undertone.data.exchanges import Exchange
from undertone.engine.store import Job
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.spec import Training
from undertone.stages.durations.work import SOME, Work, lengths_of, to_load, to_train
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Fine-tunes a base on rows of a carrier. Writes it as a whole model.

    Spec: ``carrier`` (name), ``rows``, ``training``, ``seed``. Input: ``base``.
    """
    local = load(inputs["base"])
    rows = rows_of(local, _rows(spec["carrier"], spec["rows"], spec["seed"]))
    made = merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)
    made.model.save_pretrained(out)
    made.tokenizer.save_pretrained(out)


def _rows(carrier: str, count: int, seed: int) -> list[Exchange]:
    practice = carriers.find(carrier).practice
    assert practice is not None, "the plan refuses others"
    turns = [practice(Random(f"practice/{seed}/{i}")) for i in range(count)]
    return [(turn.user, turn.assistant) for turn in turns]


def work(job: Job, local: LocalModel) -> Work:
    """One training."""
    row = lengths_of(local, _rows(job.spec["carrier"], SOME, 0)).row
    return Work((to_load(), *to_train(job.spec["training"], row)))
