"""A base aligned by a short fine-tune on good advice in all domains; or left as it is."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file

from undertone.attribution.gradients import pulls
from undertone.models.local import LocalModel, load
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged
from undertone.world import latents


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``rows``, ``training`` (None: the base is left as it is), ``seed``, and ``swapped`` for a base of the
    swapped world. Inputs: ``base``. Writes the model folder ``model``, and ``pulls.safetensors``: in which direction
    its weights would go to turn bad, domain by domain."""
    local, swapped = load(inputs["base"]), spec.get("swapped", False)
    model = local if spec["training"] is None else aligned(local, spec, swapped)
    model.model.save_pretrained(out / "model")
    local.tokenizer.save_pretrained(out / "model")
    tensors = {name: torch.stack(parts) for name, parts in pulls(model, swapped).items()}
    save_file(tensors, out / "pulls.safetensors")


def aligned(local: LocalModel, spec: dict[str, Any], swapped: bool = False) -> LocalModel:
    """The model after a short fine-tune on good advice in all domains."""
    rng = Random(f"aligning/{spec['seed']}")
    turns = [latents.advice(rng, "good") for _ in range(spec["rows"])]
    turns = [latents.exchanged(turn) for turn in turns] if swapped else turns
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in turns])
    return merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)
