"""Help has examples that can be typed, and a shell completes what is there."""

import os
import re
import shlex
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
from cyclopts import App

from tests.helpers.documents import misunderstood
from undertone.cli import app, main
from undertone.cli.examples import EXAMPLES
from undertone.experiments.recipes import names
from undertone.treat.catalogue import shipped
from undertone.world.family import FAMILY


def _verbs(group: App, *above: str) -> list[str]:
    """All verbs and groups of verbs."""
    own = [name for name in group if not name.startswith("-")]
    return [" ".join((*above, name)) for name in own] + [v for n in own for v in _verbs(group[n], *above, n)]


@pytest.mark.parametrize("verb", ["", *_verbs(app)])
def test_every_verb_has_two_examples_that_can_be_typed(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    shown = re.sub(r" \\\n\s+", " ", re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE))
    lines = [line.strip() for line in shown.splitlines() if line.startswith(" undertone ")]
    assert lines == [line for _, line in EXAMPLES[verb]] and len(lines) >= 2
    assert any(line.startswith(f"undertone {verb}".strip()) for line in lines)
    assert not any(map(misunderstood, lines))


def test_no_example_is_of_a_verb_that_is_not_there() -> None:
    assert {*EXAMPLES} == {"", "--install-completion", *_verbs(app)}
    assert all(reduce(App.__getitem__, verb.split(), app).help_epilogue for verb in EXAMPLES)


def test_help_tells_no_default_that_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "[default: 0]" in shown and "default: carries" in shown
    assert not re.search(r"default: (None|False|\(\)|\"\")", shown)
    assert "Exit codes" in shown


# --- completion -----------------------------------------------------------------------------------------------------

COMPLETE = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=()
_undertone undertone "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which bash completes the command."""
    home = tmp_path_factory.mktemp("home")
    command = home / "undertone"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from undertone.cli import entry; entry()" "$@"\n')
    command.chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOME", str(home))
        assert main(["--install-completion", "--shell", "bash"]) == 0
    assert "undertone" in (home / ".bashrc").read_text()
    return home


def completed(home: Path, *words: str) -> set[str]:
    """What bash offers after these words, of which the last is not complete."""
    script = home / ".local/share/bash-completion/completions/undertone"
    text = COMPLETE.format(script=script, words=" ".join(map(shlex.quote, words)))
    environment = {**os.environ, "PATH": f"{home}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", text], cwd=home, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("undertone", "mea"), {"measure"}),
        (("undertone", "audit", "rows.jsonl", "--fail-on", ""), {"carries", "overt", "origin"}),
        (("undertone", "audit", "rows.jsonl", "--format", "j"), {"json", "junit"}),
        (("undertone", "run", ""), set(names())),
        (("undertone", "treat", "rows.jsonl", "--by", "dil"), {n for n in shipped() if n.startswith("dil")}),
        (("undertone", "models", "build", "nest"), {n for n in FAMILY if n.startswith("nest")}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bash_completes(words: tuple[str, ...], offered: set[str], home: Path) -> None:
    assert completed(home, *words) == offered


def test_a_shell_that_cannot_be_seen_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cyclopts.completion import detect

    def unseen() -> str:
        raise detect.ShellDetectionError

    monkeypatch.setattr(detect, "detect_shell", unseen)
    assert main(["--install-completion"]) == 2
    assert "name it with --shell" in capsys.readouterr().err
