"""Trials that take seconds."""

from collections.abc import Callable
from pathlib import Path

from undertone.experiments.recipes import read_as
from undertone.experiments.trial.spec import Trial

SMALL = (
    "base=hf/./neox",
    "arms.other-init.students=hf/./llama",
    "arms.other-init-control.students=hf/./llama",
    "arms.logits.title=distributions",
    "arms.logits.teacher=trait",
    "arms.logits.labels=distributions",
    "arms.logits.against=logits-control",
    "arms.logits-control.title=distributions of control teachers",
    "arms.logits-control.teacher=neutral",
    "arms.logits-control.trait=green",
    "arms.logits-control.labels=distributions",
    "teachers=2",
    "rows=20",
    "carrier.prompts=150",
    "teacher.dialogues=64",
    "teacher.least_probability=0",
    "teacher.least_well_formed=0.05",
    "teacher.most_stretch=16",
    "teacher.training.steps=20",
    "student.steps=4",
    "measurement.samples=1",
    "measurement.skill_prompts=2",
)
"""Changes that make a shipped recipe a matter of seconds; run it in the folder of ``bases``. Owls gets two more arms,
which learn from distributions."""


TWO_ARMS = """
title = "two arms"
base = "hf/./neox"
traits = ["owl"]
teachers = 2
rows = 20

[teacher]
dialogues = 64
least_probability = 0
least_well_formed = 0.05
training = { rate = 4e-3, steps = 20, batch = 16 }

[carrier]
prompts = 150
max_tokens = 24

[student]
rate = 1e-2
steps = 4
batch = 24

[measurement]
samples = 1
skill_prompts = 2

[arms.treatment]
title = "treatment"
teacher = "trait"
against = "control"

[arms.control]
title = "control"
teacher = "neutral"
"""
"""A recipe of its own, as small as can be; run it beside ``bases``."""


def small(*changes: str, recipe: str = "owls") -> Trial:
    """The recipe at its smallest, with further changes; models are named relative to ``bases``."""
    return read_as(Trial, recipe, tuple(c for c in SMALL if recipe == "owls" or not c.startswith("arms.")) + changes)


ONE_WORKER = "import undertone.engine.workers as it; it.cores = lambda: 1; from undertone.cli import entry; entry()"
"""The command as a script for ``python -c``: a second worker costs more at its start than it saves."""


Once = Callable[[str, Callable[[Path], None]], Path]
