"""The stage of the experiment: a battery of traits, read from a student and its base."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.engine.store import Folder, Job
from undertone.measure.battery.battery import directions, inside
from undertone.measure.battery.contexts import PLAIN, Reading
from undertone.measure.battery.findings import Method
from undertone.measure.battery.reading import read_plainly
from undertone.measure.battery.scale import Scale
from undertone.measure.battery.world_scales import scales, scales_about
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import MODEL
from undertone.persona.look import Look
from undertone.stages.durations.asked import about_battery, about_inside
from undertone.stages.durations.work import Work, to_load
from undertone.training.weights import load_trained


def witnessed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Reads what a student and its base say and do, and how far the student's hidden states moved.

    Spec: empty. Inputs: ``aligned``, ``student``. Writes ``battery.json``: for each trait its poles ``high`` and
    ``low``; ``inside`` or None; and by method, ``says`` and ``does``, the ``forms`` of the questions, the log-odds of
    the high pole of the ``base`` and the ``model``, and how probable either answer is, ``either_of_base`` and
    ``either``.
    """
    base = load(inputs["aligned"] / MODEL)
    battery = scales(base)
    look = Look.of(inputs["aligned"].name, base, True, directions(battery))
    before = read_plainly(base, battery)
    student = load_trained(inputs["aligned"] / MODEL, inputs["student"])
    after, moved = read_plainly(student, battery), inside(look, student, battery)
    found = {
        scale.name: {
            "high": scale.high,
            "low": scale.low,
            "inside": moved[scale.name].model_dump() if scale.name in moved else None,
            "says": _pair(scale, "says", before, after),
            "does": _pair(scale, "does", before, after),
        }
        for scale in battery
    }
    (out / "battery.json").write_text(json.dumps(found))


def _pair(scale: Scale, method: Method, before: Reading, after: Reading) -> dict[str, Any]:
    own, base = (getattr(one[scale.name][PLAIN], method) for one in (after, before))
    return {
        "forms": [item.form for item in (scale.says if method == "says" else scale.does)],
        "base": base.odds.tolist(),
        "model": own.odds.tolist(),
        "either_of_base": base.either.tolist(),
        "either": own.either.tolist(),
    }


def work_of_witnessed(job: Job, local: LocalModel) -> Work:
    """A look inside, and the battery twice: of the base and of the student."""
    battery, aligned = scales_about("France", "owl"), job.inputs["aligned"]  # all are as long
    assert isinstance(aligned, Job)
    base = aligned.inputs["base"]
    assert isinstance(base, Folder)
    looked = about_inside(local, base, 1, directions(battery))
    return Work((to_load(2), *looked, *about_battery(local, battery, 2)))
