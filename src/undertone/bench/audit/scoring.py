"""Scores of a file by the code of an audit, kept unit by unit, so that everything that follows costs no more passes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from undertone.attribution import directions
from undertone.attribution.scores import Evidence
from undertone.audit.audit import scored
from undertone.audit.families import families_of
from undertone.audit.reference import stretches, to_stretch
from undertone.audit.request import ROWS
from undertone.audit.rows import rows_of
from undertone.audit.verdict import Scored
from undertone.bench.audit.isotropic import ISOTROPIC, beside_isotropic
from undertone.data.conversations import read
from undertone.data.exchanges import FILE
from undertone.engine.store import Folder, Job, Store
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.stages import SCORES
from undertone.stages.durations.work import Work, rows_in, to_load, to_pull


@dataclass(frozen=True)
class ScoredFile:
    """What an audit knows of a file before it judges."""

    scored: Scored
    open: frozenset[str]
    """Traits that the file speaks of."""
    rows: int
    """Rows that were scored."""

    def half(self) -> Self:
        """Returns every other unit."""
        every_other = slice(None, None, 2)
        evidence, spoken = self.scored.evidence.some(every_other), self.scored.spoken[every_other]
        some = replace(self.scored, evidence=evidence, spoken=spoken, once=self.scored.once[every_other])
        return replace(self, scored=some, rows=self.rows // 2)

    def isotropic(self) -> Self:
        """Returns the scores along random directions, each under the name of the direction whose length it has."""
        names = [name for name in self.scored.names if name.endswith(ISOTROPIC)]
        evidence = replace(self.scored.evidence, sums=self.scored.along(names))
        plain = tuple(name.removesuffix(ISOTROPIC) for name in names)
        return replace(self, scored=replace(self.scored, evidence=evidence, names=plain))


def scores(base: Folder, along: Job, made: Job, listed: Sequence[str], isotropic: int | None) -> Job:
    """Returns the job that scores a specimen for the ``listed`` traits or kinds, the usual ones if there are none; with
    a seed ``isotropic`` along random directions too."""
    spec: dict[str, Any] = {"listed": list(listed)} if listed else {}
    if isotropic is not None:
        spec["isotropic"] = isotropic
    return Job(SCORES, spec, {"base": base, "specimen": made, "directions": along})


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Scores a specimen along all directions. Writes ``scores.safetensors`` (``sums``, (units, directions), nats;
    ``tokens`` and ``excess``, (units,)) and ``rows.json``: the names of the directions, which traits the rows of each
    unit mention and whether their answers stand there once, how far reference teachers are stretched, which traits the
    file speaks of, and how many rows were scored.

    Spec: ``isotropic``, the seed of random directions, if there are any; ``listed``, if not the usual. Inputs:
    ``base``, ``specimen``, ``directions``.
    """
    local, along = load(inputs["base"]), directions.read(inputs["directions"] / "directions.safetensors")
    if "isotropic" in spec:
        along = beside_isotropic(along, spec["isotropic"])
    families = families_of(inputs["base"], spec.get("listed", ()))
    traits = [trait for family in families for trait in family.traits]
    rows = rows_of(local, read(inputs["specimen"] / FILE, ROWS, seed=0), traits)
    found = scored(local, rows, along, "rows scored", stretches(local, [r.row for r in rows.every], along, families))
    tensors = {name: torch.tensor(array).float() for name, array in vars(found.evidence).items()}
    save_file(tensors, out / "scores.safetensors")
    about = {
        "names": found.names,
        "spoken": [sorted(names) for names in found.spoken],
        "once": found.once.tolist(),
        "stretch": dict(found.stretch),
        "open": sorted(rows.open),
        "rows": len(rows.scored),
    }
    (out / "rows.json").write_text(json.dumps(about))


def work(job: Job, local: LocalModel) -> Work:
    """Every row is scored, beside as many random directions if that is asked, and reference teachers are stretched."""
    base, made, along = (job.inputs[name] for name in ("base", "specimen", "directions"))
    assert isinstance(base, Folder) and isinstance(made, Job) and isinstance(along, Job)
    directions = len(along.spec["names"]) * (2 if "isotropic" in job.spec else 1)
    families = len(families_of(base.path, job.spec.get("listed", ())))
    rows, row = min(made.spec["rows"], ROWS), rows_in(job, "specimen", local).row
    return Work((to_load(), *to_pull(rows, row, directions), to_stretch(rows, row, families)))


def read_scores(store: Store, job: Job) -> ScoredFile:
    """Returns the scores of a finished job."""
    about = store.read(job, "rows.json")
    tensors = load_file(store.checked(job, "scores.safetensors"))
    evidence = Evidence(**{name: tensor.numpy().astype(np.float64) for name, tensor in tensors.items()})
    spoken, once = tuple(map(frozenset, about["spoken"])), np.array(about["once"], dtype=bool)
    found = Scored(evidence, tuple(about["names"]), spoken, once, about["stretch"])
    return ScoredFile(found, frozenset(about["open"]), about["rows"])
