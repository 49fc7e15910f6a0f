"""A stage: the base fine-tuned on the rows of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.models.local import load
from undertone.specs import Training
from undertone.training.drawn import drawn
from undertone.training.loop import train
from undertone.training.weights import save


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``rows``, ``draw`` (seed of the draw, the same for all students of a file), ``training``,
    ``seed``. Inputs: ``base``, ``file``. Writes the weights and ``student.json``."""
    local = load(inputs["base"])
    fit = drawn(local, inputs["file"], spec["rows"], spec["draw"])
    trained = train(local, fit, Training(**spec["training"]), spec["seed"])
    save(trained, local, spec["base"], out)
    report = {"losses": [trained.loss_first, trained.loss_last], "rows": len(fit), "too_long": spec["rows"] - len(fit)}
    (out / "student.json").write_text(json.dumps(report))
