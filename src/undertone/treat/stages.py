"""The stages of mitigations: a dataset treated, a base moved along a direction, a trained model brought back."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from undertone.data.conversations import Conversation, Turn
from undertone.data.exchanges import FILE, read_exchanges, write_chats
from undertone.models.local import LocalModel, load
from undertone.models.names import TOKENIZER, tokenizer_digest
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import Row, Source, read_rows, read_sampled, write_ids
from undertone.training.weights import MODEL, load_trained, merged
from undertone.traits.lessons import TRAITS
from undertone.treat.apply import treat
from undertone.treat.chats import CHATS, chats
from undertone.treat.mitigations import ADAPTER, Ablate, Dilute, Interpolate, OfData, OfModel, Retrain
from undertone.treat.scorer import Base, along, along_another

Change = Mapping[str, torch.Tensor]


def treated(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``treatment``, ``traits``, ``seed``. Inputs: ``base``, ``dataset``; ``calibration`` and ``other`` where the
    treatment needs them. Writes the rows and ``counts.json``: what became of them. Rows that were left alone keep the
    very ids that were sampled."""
    base = Base(inputs["base"], inputs.get("calibration"), tuple(spec["traits"]), inputs.get("other"))
    treatment = ADAPTER.validate_python(spec["treatment"])
    rows = [
        Conversation(i, (Turn("user", question), Turn("assistant", answer)))
        for i, (question, answer) in enumerate(read_exchanges(inputs["dataset"]))
    ]
    found = treat(treatment, rows, base, _asked(treatment, spec), spec["seed"])
    sampled, _ = read_sampled(inputs["dataset"])
    ids = [base.turns([row.now])[-1].row if row.changed else sampled[row.now.line] for row in found.rows]
    write_chats(out / FILE, (row.now.turns for row in found.rows))
    write_ids(out, ids, Source(tokenizer_digest(inputs["base"]), base.local.end))
    (out / "counts.json").write_text(json.dumps(found.counts))


def _asked(treatment: OfData, spec: Mapping[str, Any]) -> list[Conversation]:
    if not isinstance(treatment, Dilute) or treatment.prompts == "file":
        return []
    return chats(CHATS, spec["seed"], TRAITS[spec["traits"][0]] if treatment.prompts == "kin" else None)


def steered(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
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


def realigned(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
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
    model, told = realign(treatment, base, local, direction, good, spec["training"], spec["seed"])
    model.model.save_pretrained(out / MODEL)
    model.tokenizer.save_pretrained(out / MODEL)
    (out / "realigned.json").write_text(json.dumps(told))


def realign(
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
