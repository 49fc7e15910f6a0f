"""What becomes of a student of a specimen's rows: the shift of every trait, which an audit forecasts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.evals.log_odds import leanings
from undertone.models.local import load
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import read_sampled
from undertone.training.weights import merged


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``training``, ``seed``. Inputs: ``base``, ``specimen``. Writes ``outcome.json``: log-odds of every trait in
    the base and in the student."""
    local = load(inputs["base"])
    before = leanings(local)
    rows, _ = read_sampled(inputs["specimen"])
    trained = train(local, rows, Training(**spec["training"]), spec["seed"])
    after = leanings(merged(trained, local))
    (out / "outcome.json").write_text(json.dumps({"base": before, "student": after}))
