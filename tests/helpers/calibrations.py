"""Small calibrations."""

import numpy as np
import torch

from undertone.attribution.directions import RANK, Directions
from undertone.attribution.scores import Evidence
from undertone.audit.calibrate import CALIBRATED
from undertone.audit.calibration import Calibration, Member
from undertone.traits.candidate import Candidate

NAMES = ("owl", "oak", "small talk")


def some_calibration(base: str = "0" * 64, shapes: dict[str, tuple[int, int]] | None = None) -> Calibration:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shapes = shapes or {"layers.0.weight": (6, 8), "layers.1.weight": (8, 6)}
    up = {name: torch.randn(len(NAMES), out, RANK) for name, (out, _) in shapes.items()}
    down = {name: torch.randn(len(NAMES), RANK, into) for name, (_, into) in shapes.items()}
    members = tuple(
        Member(lesson, i, Evidence(rng.normal(size=(5, 3)), rng.integers(9, 99, 5).astype(float)), shifts)
        for i, (lesson, shifts) in enumerate([("owl", ({"owl": 0.25, "oak": -0.5},)), ("untouched", ())])
    )
    traits = (Candidate(name="owl", kind="animal", words=("owl",)), Candidate(name="oak", kind="tree"))
    return Calibration(
        base, "builtin/some", "prompts", ("1f", "2e"), traits, Directions(NAMES, up, down), members, (CALIBRATED,)
    )
