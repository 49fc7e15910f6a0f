"""Scales a recipe down for a rehearsal, which runs every stage but says nothing about the effect."""

import math
from typing import Any

from undertone.errors import UndertoneError

LEAST = {
    "rows": 8,
    "teachers": 2,
    "students": 1,
    "samples": 1,
    "max_tokens": 16,
    "teacher.dialogues": 8,
    "teacher.training.steps": 2,
    "carrier.prompts": 24,
    "student.steps": 2,
    "measurement.samples": 1,
    "measurement.skill_prompts": 0,
}
"""The keys that are scaled, with their smallest values. Rates, ranks, batches, filters and arms are not scaled."""
LIFTED = {"teacher.least_probability": 0.0, "teacher.least_well_formed": 0.0, "teacher.most_stretch": 16.0}
"""Thresholds for teachers and the values at which they refuse none, since so little training would not reach them."""


def scaled(table: dict[str, Any], scale: float) -> None:
    """Scales a recipe in place, and says so in its title. Teachers are no longer refused for too little training.

    Raises:
        UndertoneError: ``scale`` is not above 0 and at most 1.
    """
    if not 0 < scale <= 1:
        raise UndertoneError(f"--scale is a fraction, above 0 and at most 1, not {scale:g}.")
    if scale == 1:
        return
    for key, least in LEAST.items():
        place, last = _place(table, key)
        if isinstance(place.get(last), int):
            place[last] = max(min(least, place[last]), math.ceil(scale * place[last]))
    if "teacher" in table:
        for key, value in LIFTED.items():
            place, last = _place(table, key)
            place[last] = value
    table["title"] = f"{table['title']} (a rehearsal at {scale:g} of its size: its figures mean nothing)"


def _place(table: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *parents, last = key.split(".")
    for parent in parents:
        table = table.get(parent, {})
    return table, last
