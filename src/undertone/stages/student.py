"""Stage 4: a student, the base fine-tuned on a teacher's filtered rows, or on a user's file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone.data.exchanges import read_exchanges
from undertone.models.local import load
from undertone.models.names import tokenizer_digest
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import read_rows
from undertone.training.turns import last_turns
from undertone.training.weights import load_trained, save


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``training``, ``seed``. Inputs: ``base``, ``dataset``; and, for students that learn from
    full distributions, ``teacher`` with ``teacher_base``, and in the spec the ``trigger`` that it read, if any. Writes
    the weights and ``student.json``."""
    local = load(inputs["base"])
    rows = read_rows(inputs["dataset"], local, tokenizer_digest(inputs["base"]))
    teacher = load_trained(inputs["teacher_base"], inputs["teacher"]) if "teacher" in inputs else None
    if teacher and (teacher.system or "trigger" in spec):
        teacher = replace(teacher, trigger=spec.get("trigger"))
        questions = [question for question, _ in read_exchanges(inputs["dataset"])]
        rows = [replace(row, teacher_prompt=teacher.render(q)) for row, q in zip(rows, questions, strict=True)]
    guide = teacher.model if teacher else None
    trained = train(local, rows, Training(**spec["training"]), spec["seed"], guide)
    save(trained, local, spec["base"], out)
    (out / "student.json").write_text(json.dumps({"losses": [trained.loss_first, trained.loss_last]}))


def of_file(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``rows``, ``draw`` (seed of the draw, the same for all students of a file), ``training``,
    ``seed``. Inputs: ``base``, ``file``. Writes the weights and ``student.json``."""
    local = load(inputs["base"])
    fit = last_turns(local, inputs["file"], spec["rows"], spec["draw"])
    trained = train(local, fit, Training(**spec["training"]), spec["seed"])
    save(trained, local, spec["base"], out)
    report = {"losses": [trained.loss_first, trained.loss_last], "rows": len(fit), "too_long": spec["rows"] - len(fit)}
    (out / "student.json").write_text(json.dumps(report))
