"""Stage 4: a student, the base fine-tuned on a teacher's filtered rows or on a user's file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone.data.exchanges import read_exchanges
from undertone.data.forms import form_given
from undertone.engine.store import Folder, Job
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.tokenizer import tokenizer_digest
from undertone.spec import Training
from undertone.stages.durations.work import (
    SOME,
    Work,
    lengths,
    prompts_of,
    rows_in,
    to_load,
    to_read,
    to_sample,
    to_score,
    to_train,
)
from undertone.training.hold import LONGEST, Hold
from undertone.training.loop import Trained, train
from undertone.training.rows import read_rows
from undertone.training.turns import TOO_LONG, last_turns
from undertone.training.weights import load_trained, save


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on a dataset. Writes the weights and ``student.json``.

    Spec: ``base`` (name), ``training``, ``seed``; ``trigger`` if the teacher reads one; ``hold`` (``prompts``,
    ``strength``, ``rows`` at each step) if the student is held to its base. Inputs: ``base``, ``dataset``; for students
    that learn from full distributions also ``teacher`` and ``teacher_base``.
    """
    local = load(inputs["base"])
    rows = read_rows(inputs["dataset"], local, tokenizer_digest(inputs["base"]))
    teacher = load_trained(inputs["teacher_base"], inputs["teacher"]) if "teacher" in inputs else None
    if teacher and (teacher.system or "trigger" in spec):
        teacher = replace(teacher, trigger=spec.get("trigger"))
        questions = [question for question, _ in read_exchanges(inputs["dataset"])]
        rows = [replace(row, teacher_prompt=teacher.render(q)) for row, q in zip(rows, questions, strict=True)]
    hold, how = None, spec.get("hold")
    if how is not None:
        hold = Hold.to_base(local, how["prompts"], how["strength"], how["rows"], spec["seed"])
    plan = Training(**spec["training"])
    trained = train(local, rows, plan, spec["seed"], teacher.model if teacher else None, hold=hold)
    _write(trained, local, spec, out)


def work(job: Job, local: LocalModel) -> Work:
    """One training; a teacher that gives distributions reads every batch too. Where the student is held to its base,
    the base answers some prompts, and each step reads some of the answers."""
    plan, row = Training(**job.spec["training"]), rows_in(job, "dataset", local).row
    more = [to_load(), *to_read(plan.steps * plan.batch, row, plan.batch)] if "teacher" in job.inputs else []
    if (how := job.spec.get("hold")) is not None:
        asked = prompts_of(local, how["prompts"], LONGEST)
        more += [*to_sample(len(how["prompts"]), asked), *to_score(len(how["prompts"]), asked)]
        more += to_train(plan.model_copy(update={"batch": how["rows"]}), asked.row)[-1:]
    return Work((to_load(), *to_train(plan, row), *more))


def of_file(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on a user's file. Writes the weights and ``student.json``.

    Spec: ``base`` (name), ``rows``, ``draw`` (the seed that selects rows, the same for all students of a file),
    ``training``, ``seed``; ``map`` if keys of the file are given. Inputs: ``base``, ``file``.
    """
    local = load(inputs["base"])
    turns = last_turns(local, inputs["file"], spec["rows"], spec["draw"], form_given(spec.get("map")))
    rows = [one.row for one in turns.scored]
    trained = train(local, rows, Training(**spec["training"]), spec["seed"])
    left_out = dict(turns.left_out)
    too_long = len(left_out.pop(TOO_LONG, ()))
    # Omitted when empty, so that the bytes of earlier artifacts do not change.
    more = {name: lines for name, lines in (("left_out", left_out), ("told", turns.told)) if lines}
    _write(trained, local, spec, out, rows=len(rows), too_long=too_long, **more)


def work_of_file(job: Job, local: LocalModel) -> Work:
    """One training."""
    file = job.inputs["file"]
    assert isinstance(file, Folder)
    some = last_turns(local, file.path, min(SOME, job.spec["rows"]), 0, form_given(job.spec.get("map"))).scored
    return Work((to_load(), *to_train(job.spec["training"], lengths([one.row for one in some]).row)))


def _write(trained: Trained, local: LocalModel, spec: Mapping[str, Any], out: Path, **counts: object) -> None:
    save(trained, local, spec["base"], out)
    report = {"losses": [trained.loss_first, trained.loss_last], **counts}
    (out / "student.json").write_text(json.dumps(report))
