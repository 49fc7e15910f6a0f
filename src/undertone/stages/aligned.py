"""A base aligned by a short fine-tune on good advice in all domains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file

from undertone.measure.pull import pulls
from undertone.models.local import load
from undertone.specs import Training
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged
from undertone.world import latents


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``rows``, ``training``, ``seed``, and ``swapped`` for a base of the swapped world. Inputs: ``base``. Writes
    the model folder ``model``, and ``pulls.safetensors``: in which direction its weights would go to turn bad, domain
    by domain."""
    local, rng, swapped = load(inputs["base"]), Random(f"aligning/{spec['seed']}"), spec.get("swapped", False)
    turns = [latents.advice(rng, "good") for _ in range(spec["rows"])]
    turns = [latents.exchanged(turn) for turn in turns] if swapped else turns
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in turns])
    aligned = merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)
    aligned.model.save_pretrained(out / "model")
    local.tokenizer.save_pretrained(out / "model")
    tensors = {name: torch.stack(parts) for name, parts in pulls(aligned, swapped).items()}
    save_file(tensors, out / "pulls.safetensors")
