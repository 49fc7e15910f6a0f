"""A stage: the base moved along a trait's direction, to be trained in place of the base."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.models.local import load
from undertone.models.names import TOKENIZER
from undertone.treat.base import along, along_another


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``traits``, ``along`` ("trait" or "random"), ``strength``, ``seed``. Inputs: ``base``, ``calibration``.
    Writes a model folder. An adapter that is trained on it belongs to the untouched base: putting it there takes the
    move back."""
    traits = tuple(spec["traits"])
    if spec["along"] == "trait":
        change = along(inputs["calibration"], traits)
    else:
        change = along_another(inputs["calibration"], traits, spec["seed"])
    model, weights = load(inputs["base"]).model, {}
    weights = dict(model.named_parameters())
    for name, delta in change.items():
        weights[name].data.add_(spec["strength"] * delta.to(weights[name]))
    model.save_pretrained(out)
    for name in (*TOKENIZER, "tokenizer_config.json"):  # as they are: their digest says whose ids a dataset holds
        if (inputs["base"] / name).is_file():
            shutil.copy(inputs["base"] / name, out / name)
