"""What must outlive any move of code: the keys under which artifacts are found, and the versions of stages.

A pinned value changes on purpose alone, in a commit that says so: whoever changes it makes all that was kept anew.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from undertone import stages
from undertone.audit import families, proxies
from undertone.engine.digests import digest
from undertone.engine.store import Folder, Job, Stage
from undertone.experiments.kind import kind_of
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.mitigations import plan as mitigations
from undertone.experiments.recipes import read
from undertone.experiments.theory import plan as theory
from undertone.experiments.trial import plan as planning
from undertone.world import family

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
    """No weights are needed to lay out jobs."""
    for module in (planning, misalignment, mitigations, theory):
        monkeypatch.setattr(module, "resolve", _folder)
    monkeypatch.setattr(family, "is_here", lambda name: True)
    monkeypatch.setattr(planning, "tokenizer_digest", lambda path: "one tokenizer for all")
    for audit in (families, proxies):
        monkeypatch.setattr(audit, "of_the_world", lambda path: True)


@pytest.mark.parametrize("recipe", [name for name in PINNED if name != "stages"])
def test_keys_of_jobs_are_as_they_were(recipe: str) -> None:
    spec = read(recipe)
    assert _pinned(kind_of(spec.kind).plan(spec).jobs) == PINNED[recipe]


def test_stages_keep_their_names_and_versions() -> None:
    found = [stage for stage in vars(stages).values() if isinstance(stage, Stage)]
    assert len({stage.name for stage in found}) == len({stage.function for stage in found}), "a name is used twice"
    assert sorted((stage.name, stage.version) for stage in found) == list(map(tuple, PINNED["stages"]))
