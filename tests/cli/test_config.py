"""Settings of a project: the command line wins, what the file gives is told, and nothing in it is ignored."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.rates import Usual
from undertone.cli import main
from undertone.stages.durations.rates import Rates

SHARED = "[tool.undertone"


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ended:
        self._capsys.readouterr()
        return Ended(main(arguments), *self._capsys.readouterr())


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


@pytest.mark.parametrize(("name", "table"), [("undertone.toml", "["), ("pyproject.toml", f"{SHARED}.")])
def test_a_file_gives_what_the_command_line_lacks_and_the_first_line_tells_it(
    name: str, table: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rates, "of", Usual)
    monkeypatch.setattr("time.process_time", lambda: 3.0)
    Path(name).write_text(f'{table}run]\nseed = 7\nset = ["student.steps=9", "rows=40"]\nscale = 0.5\n')
    where = name if table == "[" else "[tool.undertone] of pyproject.toml"
    ended = cli("run", "owls", "--scale", "0.25", "--dry-run")
    assert (ended.code, ended.err) == (0, f"From {where}: --set student.steps=9 rows=40 --seed 7\n")
    typed = cli("run", "owls", "--scale", "0.25", "--dry-run", "--seed", "7", "--set", "student.steps=9", "--set",
                "rows=40")  # fmt: skip
    assert (typed.err, typed.out) == ("", ended.out), "all is typed"


def test_a_flag_and_a_verb_below_another_have_their_tables(cli: Cli) -> None:
    Path("undertone.toml").write_text("[models.show]\njson = true\n[run]\njson = false\n")
    ended = cli("models", "show", "builtin/fledgling-a")
    assert ended.err.startswith("From undertone.toml: --json\n") and ended.out.startswith("{")
    assert cli("run").err == "", "what changes nothing is not told"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[audit]\nmodle = "x"', "[audit]: There is no option 'modle'; did you mean model?"),
        ('[audti]\nmodel = "x"', "There is no verb 'audti'; did you mean audit?"),
        ('model = "x"', "There is no verb 'model'"),
        ("[lineage.comprae]\njson = true", "There is no verb 'comprae'; did you mean compare?"),
        ('[audit]\ndata = "x"', "There is no option 'data'"),
        ("audit = 3", "audit must be a table"),
        ("[[audit]]\nseed = 3", "audit must be a table"),
        ("[audit]\nseed = [1, 2]", "[seed] from undertone.toml"),
        ('[audit]\nseed = "x"', "[seed] from undertone.toml"),
        ('[audit]\nfail-on = "overtt"', "[fail-on] from undertone.toml"),
        ("[audit]\nseed = {a = 1}", "undertone.toml"),
        ("[audit", "undertone.toml is not valid TOML"),
        ("x = " + "[" * 5000, "undertone.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, told: str, cli: Cli) -> None:
    Path("undertone.toml").write_text(text)
    verb = ("lineage", "compare", "a", "b") if "lineage" in text else ("audit", "rows.jsonl")
    ended = cli(*verb)
    assert ended.code == 2 and ended.out == ""
    *_, line = ended.err.splitlines()
    assert line.startswith("undertone: ") and told in line and len(ended.err.splitlines()) <= 2


def test_two_places_are_refused(cli: Cli) -> None:
    Path("undertone.toml").touch()
    Path("pyproject.toml").write_text(f"{SHARED}.run]\nseed = 1\n")
    assert "keep them in one of them" in cli("run").err


def test_a_pyproject_of_others_is_left_alone(cli: Cli) -> None:
    for text in ('[project]\nname = "x"\ndependencies = ["undertone"]\n', "[broken", "[tool]\nother = 1"):
        Path("pyproject.toml").write_text(text)
        assert cli("run").code == 0
    assert cli("run", "--help").code == 0


@pytest.mark.parametrize("kind", ["fifo", "folder", "bytes"])
def test_a_file_that_cannot_be_read_is_refused(kind: str, cli: Cli) -> None:
    path = Path("undertone.toml")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    ended = cli("run")
    assert ended.code == 2 and "undertone.toml" in ended.err and len(ended.err.splitlines()) == 1
    assert cli("run", "--help").code == 0
