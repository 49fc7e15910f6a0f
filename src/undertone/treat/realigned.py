"""A stage: a trained model, brought back towards its base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from undertone.models.local import LocalModel, load
from undertone.models.names import tokenizer_digest
from undertone.specs import Training
from undertone.training.loop import train
from undertone.training.rows import Row, read_rows
from undertone.training.weights import MODEL, load_trained, merged
from undertone.treat.base import along, along_another
from undertone.treat.treatments import ADAPTER, Ablate, Interpolate, OfModel, Retrain

Change = Mapping[str, torch.Tensor]


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``treatment``, ``traits``, ``training`` (of a retraining), ``seed``. Inputs: ``base``, ``trained``;
    ``calibration`` and ``good`` (rows) where the treatment needs them. Writes the model folder ``model``."""
    treatment, traits = ADAPTER.validate_python(spec["treatment"]), tuple(spec["traits"])
    base, local = load(inputs["base"]), load_trained(inputs["base"], inputs["trained"])
    direction, good = None, list[Row]()
    if isinstance(treatment, Ablate):
        ours = treatment.along == "trait"
        calibration = inputs["calibration"]
        direction = along(calibration, traits) if ours else along_another(calibration, traits, spec["seed"])
    if isinstance(treatment, Retrain):
        good = read_rows(inputs["good"], local, tokenizer_digest(inputs["base"]))
    model, told = realigned(treatment, base, local, direction, good, spec["training"], spec["seed"])
    model.model.save_pretrained(out / MODEL)
    model.tokenizer.save_pretrained(out / MODEL)
    (out / "realigned.json").write_text(json.dumps(told))


def realigned(
    treatment: OfModel,
    base: LocalModel,
    local: LocalModel,
    direction: Change | None,
    good: list[Row],
    training: Mapping[str, Any],
    seed: int,
) -> tuple[LocalModel, dict[str, float]]:
    """``local`` realigned, in place, and what was done to it in numbers."""
    match treatment:
        case Interpolate(share=share):
            for weight, before in _pairs(base, local):
                weight.lerp_(before, share)
            return local, {"share": share}
        case Ablate():
            assert direction is not None
            return local, {"along": _ablated(base, local, direction)}
        case Retrain(rows=rows, steps=steps):
            plan = Training(**(dict(training) | {"steps": steps}))
            return merged(train(local, good[:rows], plan, seed), local), {"rows": min(rows, len(good))}


def _ablated(base: LocalModel, local: LocalModel, direction: Change) -> float:
    """Takes the component along ``direction`` out of the whole change, seen as one vector; gives its length in units of
    the direction's own."""
    before, after = (dict(one.model.named_parameters()) for one in (base, local))
    with torch.no_grad():
        inner = sum(float(((after[n] - before[n]).double() * d.double()).sum()) for n, d in direction.items())
        size = sum(float(d.double().square().sum()) for d in direction.values())
        for name, delta in direction.items():
            after[name].sub_((inner / size) * delta.to(after[name]))
    return inner / size


def _pairs(base: LocalModel, local: LocalModel) -> list[tuple[torch.Tensor, torch.Tensor]]:
    before = dict(base.model.named_parameters())
    return [(weight.data, before[name].data) for name, weight in local.model.named_parameters()]
