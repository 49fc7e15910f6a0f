"""The stages of mitigations: a treated dataset, a base moved along a direction, a trained model brought back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from undertone.attribution import directions
from undertone.audit.proxies import FILE as DIRECTIONS
from undertone.data.conversations import Conversation, Turn
from undertone.data.exchanges import FILE, read_exchanges, write_chats
from undertone.engine.store import Folder, Job
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import MODEL
from undertone.models.tokenizer import tokenizer_digest
from undertone.spec import Training
from undertone.stages.durations.work import Passes, Work, rows_in, to_load, to_train
from undertone.training.loop import train
from undertone.training.rows import Row, Source, read_rows, read_sampled, write_ids
from undertone.training.weights import load_trained, merged
from undertone.treat.apply import treat
from undertone.treat.chats import prompts_for
from undertone.treat.cost import work_of
from undertone.treat.direction import Change, along
from undertone.treat.mitigations import ADAPTER, Ablate, Interpolate, OfModel, Retrain, rows_after
from undertone.treat.scorer import Base
from undertone.treat.steering import write_moved


def treated(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Applies a mitigation to a dataset. Writes the rows, and ``counts.json`` with what became of the old ones. Rows
    that did not change keep the token ids that were sampled.

    Spec: ``treatment``, ``traits``, ``seed``. Inputs: ``base``, ``dataset``; ``directions`` and ``other`` where the
    mitigation needs them.
    """
    base = Base(inputs["base"], _direction(inputs) if "directions" in inputs else None, inputs.get("other"))
    treatment, seed = ADAPTER.validate_python(spec["treatment"]), spec["seed"]
    rows = [
        Conversation(i, (Turn("user", question), Turn("assistant", answer)))
        for i, (question, answer) in enumerate(read_exchanges(inputs["dataset"]))
    ]
    found = treat(treatment, rows, base, prompts_for(treatment, spec["traits"], seed), seed)
    sampled, _ = read_sampled(inputs["dataset"])
    ids = [base.turns([row.now])[-1].row if row.changed else sampled[row.now.line] for row in found.rows]
    write_chats(out / FILE, (((turn.role, turn.content) for turn in row.now.turns) for row in found.rows))
    write_ids(out, ids, Source(tokenizer_digest(inputs["base"]), base.local.end))
    (out / "counts.json").write_text(json.dumps(found.counts))


def steered(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Moves a base along a direction and writes it as a model folder. An adapter that is trained on the moved base is
    loaded onto the base itself, which undoes the move.

    Spec: ``strength``. Inputs: ``base``, ``directions``.
    """
    write_moved(inputs["base"], _direction(inputs), spec["strength"], out)


def _direction(inputs: Mapping[str, Path]) -> Change:
    return along(directions.read(inputs["directions"] / DIRECTIONS))


def realigned(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Applies a mitigation to a trained model and writes it as the folder ``model``.

    Spec: ``treatment``, ``training`` (of a retraining), ``seed``. Inputs: ``base``, ``trained``; ``directions`` and
    ``good`` (rows) where the mitigation needs them.
    """
    treatment, seed = ADAPTER.validate_python(spec["treatment"]), spec["seed"]
    base, local = load(inputs["base"]), load_trained(inputs["base"], inputs["trained"])
    direction, good = None, list[Row]()
    if isinstance(treatment, Ablate):
        direction = _direction(inputs)
    if isinstance(treatment, Retrain):
        good = read_rows(inputs["good"], local, tokenizer_digest(inputs["base"]))
    model, told = realign(treatment, base, local, direction, good, spec["training"], seed)
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
    """Applies a mitigation to ``local``, which may change in place. Returns the model, and in numbers what was done.
    ``direction`` is needed by an ablation, ``good`` and ``training`` by a retraining."""
    # In float32, because bfloat16 would lose small differences of weights.
    before, after = (dict(one.model.float().named_parameters()) for one in (base, local))
    match treatment:
        case Interpolate(share=share):
            for name, weight in after.items():
                weight.data.lerp_(before[name].data, share)
            return local, {"share": share}
        case Ablate():
            assert direction is not None
            # The change of all weights is one vector, and so is the direction: the projection is in its units.
            with torch.no_grad():
                inner = sum(float(((after[n] - before[n]).double() * d.double()).sum()) for n, d in direction.items())
                size = sum(float(d.double().square().sum()) for d in direction.values())
                for name, delta in direction.items():
                    after[name].sub_((inner / size) * delta.to(after[name]))
            return local, {"along": inner / size}
        case Retrain(rows=rows, steps=steps):
            plan = Training(**(dict(training) | {"steps": steps}))
            return merged(train(local, good[:rows], plan, seed), local), {"rows": min(rows, len(good))}


def work_of_treated(job: Job, local: LocalModel) -> Work:
    """The rows are treated."""
    treatment, rows = ADAPTER.validate_python(job.spec["treatment"]), rows_in(job, "dataset", local)
    other = job.inputs.get("other")
    parts = work_of(treatment, rows, other if isinstance(other, Folder) else None)
    return Work((to_load(), *parts), replace(rows, rows=rows_after(treatment, rows.rows)))


def work_of_steered(job: Job, local: LocalModel) -> Work:
    """The base is loaded and written."""
    return Work((to_load(2),))


def work_of_realigned(job: Job, local: LocalModel) -> Work:
    """Two models are loaded and one is written; perhaps one is trained."""
    treatment = ADAPTER.validate_python(job.spec["treatment"])
    again: list[Passes] = []
    if isinstance(treatment, Retrain):
        again = to_train(job.spec["training"] | {"steps": treatment.steps}, rows_in(job, "good", local).row)
    return Work((to_load(3), *again))
