"""Nothing that a file, a name or a service says reaches the terminal as a control character, on whatever way."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from tests.helpers import origins
from undertone import cli
from undertone.cli import app, main
from undertone.cli.bars import Bars
from undertone.cli.terminal import console, print_json, print_table, say
from undertone.errors import UndertoneError
from undertone.lineage import keys
from undertone.reading.hostile import Plain, plain_output, visible

Told = pytest.CaptureFixture[str]
EVIL = "\x1b[5;45m\x1b[2J\x1b]0;owned\x07\x9b31m\x08\x7f\u202e[/red][bold]\r\nundertone: no shift found"
NAME = EVIL.replace("/", "|")  # as a file's
STYLE = re.compile(r"\x1b\[[0-9;]*m")
ENTRY = [sys.executable, "-c", "from undertone.cli import entry; entry()"]


def _commands(group: App, *above: str) -> Iterator[tuple[str, ...]]:
    for name in group:
        if not name.startswith("-"):
            yield (*above, name)
            yield from _commands(group[name], *above, name)


COMMANDS = sorted(_commands(app))


def _assert_tame(text: str) -> None:
    left = STYLE.sub("", text)
    assert left == visible(left), ascii(text)
    assert "\x1b[5;45m" not in text, "a style that is not Rich's own"


@pytest.fixture(params=["", "1"], ids=["file", "terminal"])
def styled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether Rich styles what it prints, as on a terminal."""
    if request.param:
        monkeypatch.setenv("FORCE_COLOR", "1")
    return bool(request.param)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_walk_knows_the_commands() -> None:
    assert {("run",), ("runs",), ("report",), ("why",), ("lineage", "verify"), ("models", "show")} <= set(COMMANDS)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_repeats_an_argument_as_it_is(
    command: tuple[str, ...], styled: bool, here: Path, capsys: Told
) -> None:
    for arguments in ([EVIL], [EVIL, EVIL], [f"--{EVIL}"], [f"--json={EVIL}"]):
        assert main([*command, *arguments]) in (0, 2), arguments
        out, err = capsys.readouterr()
        _assert_tame(out + err)
        if not styled:
            assert "\x1b" not in out + err
        assert not re.search("^undertone: no shift found", out + err, re.MULTILINE)


@pytest.fixture
def hostile(here: Path) -> Path:
    """A run, a store and foreign files in which every text is hostile."""
    origins.make(here)
    keys.make(Path("key"), 30)
    for name in ("run", "mine"):
        assert main(["lineage", "sign", name, "--key", "key"]) == 0
    _change(Path("run/run.json"), recipe=EVIL, said=EVIL, kind="digits", versions={EVIL: EVIL})
    _change(Path("run/report.json"), title=EVIL, recipe=EVIL, images=EVIL, hardware={EVIL: EVIL})
    shutil.copytree("run", "stopped")
    _change(Path("stopped/run.json"), finished=False, stopped=EVIL)
    shutil.copytree("run", NAME)
    for number, record in enumerate(("{", json.dumps({"format": EVIL}), json.dumps({EVIL: 1}), f'"{EVIL}"')):
        Path(f"broken-{number}").mkdir()
        Path(f"broken-{number}/run.json").write_text(record)
    head = {"base_model": EVIL, "base_model_relation": EVIL, "datasets": [EVIL]}
    Path("mine/README.md").write_text(f"---\n{json.dumps(head)}\n---\n")
    _change(Path("mine/croissant.json"), creator=EVIL, isBasedOn=[{"name": EVIL}])
    _change(Path("mine/adapter_config.json"), base_model_name_or_path=EVIL, peft_type=EVIL)
    _change(Path("treated/treatment.json"), file=EVIL, does={EVIL: EVIL}, base={"name": EVIL, "digest": EVIL})
    signatures = json.loads(Path("run.intoto.jsonl").read_text())["signatures"]
    _change(Path("run.intoto.jsonl"), signatures=[{"keyid": EVIL, "sig": signatures[0]["sig"][:-4] + "AAAA"}])
    _change(Path("mine.intoto.jsonl"), payloadType=EVIL)
    Path("late.pub").write_text(f"Valid until: {EVIL}\n" + Path("key.pub").read_text().partition("\n")[2])
    return here


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.slow
def test_no_command_repeats_the_text_of_a_file_as_it_is(styled: bool, hostile: Path, capsys: Told) -> None:
    trusted, artifact = ["--key", "key.pub"], str(min(Path("store").glob("dataset-*")))
    codes: list[tuple[int, list[str]]] = [
        (0, ["runs", "."]),
        (0, ["runs", ".", "--json"]),
        (0, ["report", "run"]),
        (0, ["report", "run", "--markdown"]),
        (0, ["report", NAME]),
        (2, ["report", "run", NAME]),
        (0, ["why", artifact]),
        (0, ["why", artifact, "--json"]),
        *((0, ["lineage", "show", name, *form]) for name in ("run", "mine", NAME) for form in ([], ["--json"])),
        (0, ["lineage", "show", "treated/treated.jsonl"]),
        *((2, ["lineage", "verify", name, *trusted]) for name in ("run", "mine")),
        (2, ["lineage", "verify", "mine", "--key", "late.pub"]),
        (0, ["lineage", "sign", "mine", "--key", "key", "--out", f"new {NAME}"]),
        (0, ["lineage", "verify", "mine", *trusted, "--statement", f"new {NAME}"]),
    ]
    capsys.readouterr()
    for code, arguments in codes:
        assert main(arguments) == code, (arguments, capsys.readouterr())
        out, err = capsys.readouterr()
        _assert_tame(out + err)
        if not styled:
            assert "\x1b" not in out + err
        if "--json" in arguments:
            assert out.isascii() and json.loads(out) is not None
        if code == 2:
            first, *others = err.splitlines()
            assert first.startswith("undertone:") and all(line.startswith("  ") for line in others), arguments
            assert styled or not others, "a file has one line"


def test_sentences_lines_bars_and_tables_are_tame(styled: bool, capsys: Told) -> None:
    say(EVIL)
    print_table(("a", "b"), [(EVIL, EVIL)])
    console().print(EVIL, markup=False)
    console(stderr=True).print(EVIL, markup=False)
    with Bars() as bars:
        bars.said(EVIL)
        bars.warn(EVIL)
        bars.advanced(EVIL, 1, 2)
        bars.advanced(EVIL, 2, 2)
    out, err = capsys.readouterr()
    for text in (out, re.sub(r"\x1b\[(\?25[lh]|2K|1A)|\r", "", err)):  # how Rich draws bars
        _assert_tame(text)


def test_what_libraries_print_warn_and_log_is_tame(capsys: Told) -> None:
    with plain_output():
        print(EVIL)
        sys.stderr.writelines([EVIL, EVIL])
        sys.stderr.write(warnings.formatwarning(EVIL, UserWarning, "a.py", 1))
        logger = logging.getLogger("tame")
        logger.addHandler(logging.StreamHandler())
        logger.warning(EVIL)
        assert not sys.stdout.isatty()
    out, err = capsys.readouterr()
    assert out + err == visible(out + err) and "\x1b" not in out + err
    assert not isinstance(sys.stdout, Plain), "the streams are as before"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UndertoneError(EVIL), 2, "undertone: ⟨U+001B⟩"),
        (OSError(2, EVIL, EVIL), 2, "undertone: ⟨U+001B⟩"),
        (MemoryError(), 2, "undertone: There is not enough memory"),
        (RecursionError(), 2, "undertone: A file that was given is nested too deeply"),
        (KeyboardInterrupt(), 130, "undertone: stopped"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_tame_line(
    error: BaseException, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(cli, "app", _raising(error))
    assert main(["run"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)
    _assert_tame(line)


def _raising(error: BaseException) -> Any:
    def run(*_: object, **__: object) -> None:
        raise error

    return run


def test_a_fault_of_the_program_is_told_as_one_and_its_traceback_is_tame(
    monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(cli, "app", _raising(RuntimeError(f"the stage failed\n{EVIL}")))
    with pytest.raises(SystemExit) as ended:
        cli.entry()
    assert ended.value.code == 70
    err = capsys.readouterr().err
    assert "RuntimeError: the stage failed" in err and "this is an error in Undertone" in err
    _assert_tame(err)


@pytest.mark.parametrize("value", [{EVIL: EVIL}, ["\u2028\ud800\U0001f989é"], 1.5, None])
def test_json_is_ascii_and_means_the_same(value: object, capsys: Told) -> None:
    print_json(value)
    out = capsys.readouterr().out
    assert out.isascii() and visible(out) == out and "\x7f" not in out
    assert json.loads(out) == value


# --- streams that take little or nothing --------------------------------------------------------------------------


def _ended(arguments: list[str], where: Path, redirect: str = "", **variables: str) -> tuple[int, str, str]:
    shell = ["bash", "-c", f'"$@" {redirect}', "bash", *ENTRY, *arguments]
    done = subprocess.run(shell, cwd=where, env={**os.environ, **variables}, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_an_ascii_terminal_is_told_everything(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "run.json").write_text('{"kü🦉": 1}')
    code, out, err = _ended(["runs", ".", "--json"], tmp_path, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "") and json.loads(out)[0]["state"] == "unreadable"
    code, out, err = _ended(["runs", "."], tmp_path, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "") and "r/run.json is damaged" in out and out.isascii()
    code, out, err = _ended(["report", "kü🦉"], tmp_path, PYTHONIOENCODING="ascii")
    assert (code, out) == (2, "") and r"k\xfc\U0001f989" in err
    assert _ended(["--help"], tmp_path, PYTHONIOENCODING="ascii")[0] == 0


@pytest.mark.parametrize(("arguments", "code"), [(["run"], 0), (["run", "--json"], 0), (["run", "owlz"], 2)])
def test_closed_streams_change_no_exit_code(arguments: list[str], code: int, tmp_path: Path) -> None:
    assert _ended(arguments, tmp_path, ">&-")[:2] == (code, "")
    assert _ended(arguments, tmp_path, ">&- 2>&-") == (code, "", "")
    assert _ended(arguments, tmp_path, "<&- >&- 2>&-") == (code, "", "")


@pytest.mark.parametrize("arguments", [["run"], ["run", "--json"], ["--help"]])
def test_a_full_disk_is_no_success(arguments: list[str], tmp_path: Path) -> None:
    code, _, err = _ended(arguments, tmp_path, ">/dev/full")
    assert (code, err) == (2, "undertone: No space left on device\n")


@pytest.mark.parametrize("redirect", ["", "2>&1"])
@pytest.mark.parametrize("arguments", [["run"], ["run", "--json"], ["--help"]])
def test_a_reader_that_has_gone_is_no_verdict(arguments: list[str], redirect: str, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    shell = ["bash", "-c", f'"$@" {redirect}', "bash", *ENTRY, *arguments]
    done = subprocess.run(shell, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_error_that_cannot_be_told_ends_as_a_wrong_input() -> None:
    command = [sys.executable, "-c", "from undertone.cli import entry; entry()", "runs", "nowhere"]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, stderr=full, stdout=full, check=False).returncode == 2


# --- what else may end a command ------------------------------------------------------------------------------------


def _script(body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", body, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "error",
    ["type('PanicException', (BaseException,), {})('a library in Rust')", "SystemExit(1)", "SystemExit(0)",
     "GeneratorExit()", "AssertionError()"],
)  # fmt: skip
def test_a_crash_of_any_kind_is_no_verdict(error: str) -> None:
    body = f"from undertone import cli\ndef app(*_, **__): raise {error}\ncli.app = app\ncli.entry()"
    done = _script(body)
    assert done.returncode == 70 and "this is an error in Undertone" in done.stderr


def test_an_installation_that_is_broken_is_no_verdict() -> None:
    done = _script("import sys; sys.modules['cyclopts'] = None; from undertone.__main__ import entry; entry()")
    assert done.returncode == 70 and "install it anew" in done.stderr


def test_sigterm_ends_a_command_as_ctrl_c_does_with_a_code_of_its_own() -> None:
    body = "import os, signal, time\nfrom undertone import cli\ndef app(*_, **__):\n"
    body += "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)\ncli.app = app\ncli.entry()"
    done = _script(body)
    assert (done.returncode, done.stdout) == (143, "") and "finished work is kept" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_line_on_a_terminal_is_broken_between_words_and_its_parts_cannot_pass_for_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    say(sentence := "A name of " + "x" * 155 + " undertone: no shift found, " + "and so on " * 20)
    assert capsys.readouterr().out == f"{sentence}\n", "a file has one line"
    monkeypatch.setenv("FORCE_COLOR", "1")
    say(sentence)
    first, *others = STYLE.sub("", capsys.readouterr().out).splitlines()
    assert first == "A name of" and all(line.startswith("  ") for line in others)
    assert " ".join(" ".join((first, *others)).split()) == sentence.strip()
