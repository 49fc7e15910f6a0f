"""A stage: the base moved along a trait's direction, to be trained in place of the base."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.models.local import LocalModel, load
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
    local = load(inputs["base"])
    weights = dict(local.model.named_parameters())
    for name, delta in change.items():
        weights[name].data.add_(spec["strength"] * delta.to(weights[name]))
    write_beside(local, inputs["base"], out)


def write_beside(local: LocalModel, base: Path, out: Path) -> None:
    """Writes a model folder whose tokenizer is the base's, file by file: its digest says whose ids a dataset holds."""
    local.model.save_pretrained(out)
    for name in (*TOKENIZER, "tokenizer_config.json"):
        if (base / name).is_file():
            shutil.copy(base / name, out / name)
