"""What becomes of a student of a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.engine.store import Folder, Job, Store
from undertone.evals.log_odds import leanings
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.spec import Training
from undertone.stages import OUTCOME
from undertone.stages.durations.asked import about_all_traits
from undertone.stages.durations.work import Work, rows_in, to_load, to_train
from undertone.training.loop import train
from undertone.training.rows import read_sampled
from undertone.training.weights import merged


def outcome(base: Folder, made: Job, training: Training, seed: int) -> Job:
    """Returns the job of a student of a specimen."""
    spec = {"training": training.model_dump(mode="json"), "seed": seed}
    return Job(OUTCOME, spec, {"base": base, "specimen": made})


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on a specimen. Writes ``outcome.json``: log-odds of every trait in the base and in the student.

    Spec: ``training``, ``seed``. Inputs: ``base``, ``specimen``.
    """
    local = load(inputs["base"])
    before = leanings(local)
    rows, _ = read_sampled(inputs["specimen"])
    student = merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)
    (out / "outcome.json").write_text(json.dumps({"base": before, "student": leanings(student)}))


def work(job: Job, local: LocalModel) -> Work:
    """A training, and all questions about traits before and after it."""
    row = rows_in(job, "specimen", local).row
    return Work((to_load(), *2 * about_all_traits(local), *to_train(job.spec["training"], row)))


def shift_of(store: Store, student: Job) -> dict[str, float]:
    """Returns the log-odds of every trait in a finished student minus those in its base."""
    found = store.read(student, "outcome.json")
    return {trait: found["student"][trait] - found["base"][trait] for trait in found["base"]}
