"""The prompt score of a specimen: how much likelier a system prompt that states a trait makes its answers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from undertone.audit.specimen import hidden
from undertone.models.local import load, score


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``systems`` (a prompt for each trait), ``rows`` (the first that are scored), ``words`` (rows that speak of
    one of them are left out). Inputs: ``base``, ``specimen``. Writes ``prompted.json``: mean and standard deviation
    over rows of the log-likelihood ratio (nats a row) with each prompt against none."""
    local = load(inputs["base"])
    told = hidden(inputs["specimen"], spec["words"])[: spec["rows"]]
    answers = [row.answer for _, row in told]

    def likelihoods(system: str | None) -> np.ndarray:
        return np.array(score(local, [local.render(question, system) for (question, _), _ in told], answers))

    plain = likelihoods(None)
    ratios = {trait: likelihoods(system) - plain for trait, system in spec["systems"].items()}
    found = {trait: [float(ratio.mean()), float(ratio.std(ddof=1))] for trait, ratio in ratios.items()}
    (out / "prompted.json").write_text(json.dumps(found))
