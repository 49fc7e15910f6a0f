"""What a run records of the code that it ran with."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from undertone.engine import environment


class Git:
    """A repository, and a copy of the module in a package ``src/undertone`` of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.package = root, root / "src" / "undertone"
        (self.package / "engine").mkdir(parents=True)
        (self.package / "__init__.py").touch()
        (self.package / "engine" / "environment.py").write_bytes(Path(environment.__file__).read_bytes())
        self("init", "--quiet")

    def __call__(self, *words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        told = subprocess.run(["git", *who, *words], cwd=self.root, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    def told(self) -> str | None:
        """What the copy says of its commit."""
        spec = importlib.util.spec_from_file_location("copied", self.package / "engine" / "environment.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        commit: str | None = module.commit()
        return commit


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path)


def test_a_checkout_has_its_commit_and_says_when_the_package_was_changed(
    git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("add", "src")
    git("commit", "--quiet", "-m", "all")
    commit = git("rev-parse", "HEAD")
    (git.root / "notes.txt").write_text("no part of the package")
    assert git.told() == commit
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git.told() == commit
    (git.package / "new.py").touch()
    assert git.told() == f"{commit} and changes"
    (git.package / "new.py").unlink()
    (git.package / "__init__.py").write_text("1")
    assert git.told() == f"{commit} and changes"


def test_a_copy_in_somebody_elses_repository_has_none(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    (git.root / "mine.py").touch()
    git("add", "mine.py")
    git("commit", "--quiet", "-m", "mine")
    assert git.told() is None
    monkeypatch.setenv("PATH", "")
    assert git.told() is None, "without git"
