"""What pip installs: a user's own torch stays, and the lock file with hashes has the versions of constraints.txt."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    found = PINNED.findall((ROOT / file).read_text(encoding="utf-8"))
    return {name.lower().replace("_", "-"): version for name, version in found}


def required() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {found.name: found for found in map(Requirement, project["dependencies"])}


@pytest.mark.parametrize("version", ["2.6.0", "2.9.0+cu128", "2.13.0+cpu"])
def test_pip_leaves_a_torch_of_the_users_own_alone(version: str) -> None:
    assert required()["torch"].specifier.contains(version)


def test_the_lock_has_the_versions_of_the_constraints() -> None:
    constraints = pins("constraints.txt")
    assert {name: constraints.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


def test_the_lock_has_every_library_but_torch() -> None:
    assert set(required()) - set(pins("requirements.lock")) == {"torch"}


def test_every_library_of_the_lock_has_hashes() -> None:
    entries = re.split(r"(?m)^(?=[a-z])", (ROOT / "requirements.lock").read_text(encoding="utf-8"))[1:]
    assert len(entries) == len(pins("requirements.lock"))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
