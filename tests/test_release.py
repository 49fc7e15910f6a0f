"""What is released: the check of ``make wheel`` finds what is missing, added or of another version."""

import io
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.helpers.wheel import ROOT, faults
from undertone import __version__


def release(folder: Path, files: list[str], version: str = __version__) -> list[str]:
    """What is wrong with a release of these files."""
    with ZipFile(folder / f"undertone-{version}-py3-none-any.whl", "w") as wheel:
        for name in (*files, f"undertone-{version}.dist-info/METADATA"):
            wheel.writestr(name, "")
    with tarfile.open(folder / f"undertone-{version}.tar.gz", "w:gz") as archive:
        for name in files:
            archive.addfile(tarfile.TarInfo(f"undertone-{version}/src/{name}"), io.BytesIO())
    return faults(folder)


@pytest.fixture(scope="module")
def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name.removeprefix("src/") for name in listed.splitlines()]


def test_a_whole_release_has_no_fault(files: list[str], tmp_path: Path) -> None:
    assert release(tmp_path, files) == []


def test_a_missing_file_a_test_and_another_version_are_told(files: list[str], tmp_path: Path) -> None:
    lacking = "undertone/world/weights/fledgling-a/model.safetensors"
    told = release(tmp_path, [*(name for name in files if name != lacking), "tests/conftest.py"], "9.9")
    assert [line.split(" ", 1)[1] for line in told[:3]] == [
        f"lacks {lacking}",
        "also holds tests/conftest.py",
        f"lacks src/{lacking}",
    ]
    assert len(told) == 4 and "the versions differ" in told[3] and "9.9" in told[3]
