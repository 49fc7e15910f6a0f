"""What must outlive any move of code: the keys under which artifacts are found, and the versions of stages.

A pinned value changes on purpose alone, in a commit that says so: whoever changes it makes all that was kept anew.
"""

import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from undertone.engine.digests import digest
from undertone.engine.store import Folder, Job, Stage
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.misalignment.spec import Experiment
from undertone.experiments.mitigations import kind as treatments
from undertone.experiments.mitigations import plan as treating
from undertone.experiments.recipes import read, read_as
from undertone.experiments.sweep.spec import Kin, Sweep
from undertone.experiments.trial import plan as planning

PINNED = json.loads((Path(__file__).parent / "pinned.json").read_text())


def _folder(name: str) -> Folder:
    """A model that need not be here: its key follows from its name."""
    return Folder(Path("nowhere"), digest(["model", name]), name)


def _pinned(jobs: Iterable[Job]) -> dict[str, list[object]]:
    """By stage: how many different keys, and the digest of all of them."""
    by_stage: dict[str, set[str]] = {}
    for job in jobs:
        by_stage.setdefault(job.stage.name, set()).add(job.key)
    return {stage: [len(keys), digest(sorted(keys))[:16]] for stage, keys in sorted(by_stage.items())}


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither weights nor a calibration is needed to lay out jobs."""
    for module in (planning, misalignment, treating):
        monkeypatch.setattr(module, "resolve", _folder)
    monkeypatch.setattr(planning, "tokenizer_digest", lambda path: "one tokenizer for all")
    monkeypatch.setattr(treating, "calibration_of", lambda base, traits: _folder(f"calibration of {base.name}"))


def test_keys_of_a_trial_are_as_they_were() -> None:
    assert _pinned(planning.plan(read("owls")).jobs) == PINNED["owls"]


def test_keys_of_misalignment_are_as_they_were() -> None:
    assert _pinned(misalignment.plan(read_as(Experiment, "misalignment")).jobs) == PINNED["misalignment"]


@pytest.mark.parametrize(("recipe", "kind"), [("dose", Sweep), ("kin", Kin)])
def test_keys_of_studies_are_as_they_were(recipe: str, kind: type[Sweep] | type[Kin]) -> None:
    trials = read_as(kind, recipe).trials().values()
    assert _pinned(job for trial in trials for job in planning.plan(trial).jobs) == PINNED[recipe]


def test_keys_of_the_benchmark_of_treatments_are_as_they_were() -> None:
    spec, _ = treatments.read("numbers")
    assert _pinned(treating.plan(spec).jobs) == PINNED["bench treat numbers"]


def test_stages_keep_their_names_and_versions() -> None:
    found = [
        stage
        for name in PINNED["where stages are"]
        for stage in vars(import_module(name)).values()
        if isinstance(stage, Stage)
    ]
    assert len({stage.name for stage in found}) == len({stage.function for stage in found}), "a name is used twice"
    assert sorted({(stage.name, stage.version) for stage in found}) == list(map(tuple, PINNED["stages"]))
