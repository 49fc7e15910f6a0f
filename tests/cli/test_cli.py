"""The command line: one sentence and the right exit code for every wrong input, one JSON object, and a clean Ctrl-C."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import undertone
from tests.helpers.trials import ONE_WORKER, SMALL, TWO_ARMS, Once
from undertone.cli import main

SETTINGS = [argument for change in SMALL for argument in ("--set", change)]
UNDERTONE = [sys.executable, "-c", "from undertone.cli import entry; entry()"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    """Runs the command line in this process; what worker processes write is captured too."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: str) -> Ended:
        self._capfd.readouterr()
        code = main(arguments)
        return Ended(code, *self._capfd.readouterr())

    def refused(self, *arguments: str) -> str:
        """The one sentence that says what is wrong, perhaps after what the run was to make. The rules that hold for
        every wrong input are checked."""
        ended = self(*arguments)
        assert ended.code == 2, ended
        assert ended.out == ""
        assert "Traceback" not in ended.err
        *before, told = [line for line in ended.err.splitlines() if line.strip()]
        assert len(before) <= 1 and all("jobs to make" in line for line in before), ended.err
        assert told.startswith("undertone: ")
        return told


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    # A second worker costs more at its start than it saves.
    monkeypatch.setattr("undertone.engine.workers.cores", lambda: 1)
    return Cli(capfd)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def beside_bases(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in that holds neox and llama, and two-arms.toml."""
    for name in ("neox", "llama"):
        (tmp_path / name).symlink_to(bases / name)
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _session(leader: int) -> list[int]:
    """Living processes of a session: the command's own, and its workers in whatever process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _kill_session(leader: int) -> None:
    for process in _session(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _artifacts(store: Path) -> dict[str, int]:
    """Whole ones: what is being written is still under a hidden name, and may hold a manifest already."""
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("[!.]*/manifest.json")}


def _until(condition: Any, seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        yield time.sleep(0.02)


class Stopped(NamedTuple):
    code: int
    err: str
    out: str
    left: list[int]
    store: Path
    before: dict[str, int]


def _stop(folder: Path, recipe: Path, bases: Path, condition: Any, sent: signal.Signals) -> Stopped:
    with contextlib.chdir(bases):
        process = subprocess.Popen(
            [*UNDERTONE, "run", str(recipe), "--out", str(folder / "run")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
    store = folder / "store"
    try:
        for _ in _until(lambda: condition(process, store) or process.poll() is not None, 120):
            pass
        before = _artifacts(store)
        os.killpg(process.pid, sent)
        out, err = process.communicate(timeout=60)
        end = time.monotonic() + 5
        while _session(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        return Stopped(process.returncode, err, out, _session(process.pid), store, before)
    finally:
        _kill_session(process.pid)


HAS_PROC = Path("/proc/self/stat").exists()
needs_proc = pytest.mark.skipif(not HAS_PROC, reason="needs /proc")


@pytest.fixture(scope="module")
def stopped(once: Once, bases: Path) -> Stopped:
    """A run that got Ctrl-C, as a terminal sends it to the whole group, after its first teacher was in the store."""

    def make(folder: Path) -> None:
        (folder / "two-arms.toml").write_text(TWO_ARMS)
        stopped = _stop(folder, folder / "two-arms.toml", bases, lambda _, s: list(s.glob("teacher-*")), signal.SIGINT)
        (folder / "stopped.json").write_text(json.dumps(stopped._replace(store=str(stopped.store))))  # type: ignore[arg-type]

    folder = once("cli-stopped", make)
    values = json.loads((folder / "stopped.json").read_text())
    return Stopped(*values)._replace(store=folder / "store")


@pytest.fixture(scope="module")
def finished(once: Once, bases: Path, request: pytest.FixtureRequest) -> Path:
    """The parent of a store in which all of two-arms.toml has been made, going on from where ``stopped`` was stopped,
    with what --json printed meanwhile."""
    stopped: Stopped | None = request.getfixturevalue("stopped") if HAS_PROC else None

    def make(folder: Path) -> None:
        (folder / "two-arms.toml").write_text(TWO_ARMS)
        if stopped is not None:
            shutil.copytree(stopped.store, folder / "store")  # copy2: keeps the times of modification
        command = [
            sys.executable,
            "-c",
            ONE_WORKER,
            "run",
            str(folder / "two-arms.toml"),
            "--out",
            str(folder / "first"),
            "--json",
        ]
        done = subprocess.run(command, cwd=bases, capture_output=True, text=True, timeout=300)
        (folder / "out").write_text(done.stdout)
        (folder / "err").write_text(done.stderr)
        assert done.returncode == 0, done.stderr

    return once("cli-finished", make)


# --- wrong inputs ----------------------------------------------------------------------------------------------------


def test_an_unknown_recipe_is_answered_with_the_nearest(cli: Cli, here: Path) -> None:
    assert "did you mean owls?" in cli.refused("run", "owlz")


def test_a_recipe_like_no_other_is_answered_with_all(cli: Cli, here: Path) -> None:
    assert "owls" in cli.refused("run", "qqqqqqqqq")


def test_an_unknown_trait_is_answered_with_the_nearest(cli: Cli, here: Path) -> None:
    error = cli.refused("run", "owls", "--set", 'traits=["owls"]')
    assert "no trait 'owls'" in error and "owl" in error.partition("mean")[2]


@pytest.mark.parametrize("name", ["builtin/fledgling-q", "fledgling-a", "built/fledgling-a"])
def test_an_unknown_model_is_answered_with_the_nearest(name: str, cli: Cli, here: Path) -> None:
    error = cli.refused("run", "owls", "--set", f"base={name}")
    assert f"no model '{name}'" in error and "builtin/fledgling-" in error.partition("did you mean")[2]


def test_an_unknown_model_of_an_arm_is_answered_with_the_nearest(cli: Cli, beside_bases: Path) -> None:
    changes = [f"arms.{arm}.students=builtin/fledglin-b" for arm in ("other-init", "other-init-control")]
    error = cli.refused("run", "owls", *SETTINGS, *(part for change in changes for part in ("--set", change)))
    assert "builtin/fledgling-b" in error


def test_a_model_that_is_not_there_is_named(cli: Cli, here: Path) -> None:
    assert "nowhere" in cli.refused("run", "owls", "--set", "base=hf/./nowhere")


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("student.stepz", "student.steps"),
        ("teecher.dialogues", "teacher"),
        ("carrier.prompt", "carrier.prompts"),
        ("teacher.training.rates", "teacher.training.rate"),
        ("filter.max", "filter.max_count"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(key: str, near: str, cli: Cli, here: Path) -> None:
    assert near in cli.refused("run", "owls", "--set", f"{key}=1")


@pytest.mark.parametrize("change", ["student.steps", "seed"])
def test_a_change_without_value_is_refused_with_an_example(change: str, cli: Cli, here: Path) -> None:
    assert f"'{change}' has no value" in cli.refused("run", "owls", "--set", change)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("rows=0", "rows"),
        ("teachers=1", "teachers"),
        ("seed=-1", "seed"),
        ("student.rate=0", "student.rate"),
        ("student.steps=many", "student.steps"),
        ("student.method=magic", "student.method"),
        ("teacher.least_probability=1.5", "teacher.least_probability"),
        ("carrier.temperature=-1", "carrier.temperature"),
        ("carrier.temperature=nan", "carrier.temperature"),
        ("filter.high=-1", "filter.high"),
        ("traits=[]", "traits"),
        ("student=4", "student"),
        ("student.steps.x=4", "student.steps"),
        ("arms.treatment.against=nothing", "nothing"),
        ("arms.control.teacher=trait", "control"),
        ("arms.other-init.labels=distributions", "other-init"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_its_key_named(change: str, key: str, cli: Cli, here: Path) -> None:
    assert key in cli.refused("run", "owls", "--set", change).replace("'", "")


@pytest.mark.parametrize("flag", ["--seed", "--students"])
def test_a_number_out_of_range_is_refused_like_any_change(flag: str, cli: Cli, here: Path) -> None:
    assert flag[2:] in cli.refused("run", "owls", flag, "-1")


@pytest.mark.parametrize(
    "text", ["title = ", "a = 1\na = 2", "[student\nsteps = 1", "\x00", "title = 'ü", "x = " + "[" * 20]
)
def test_malformed_toml_is_refused_with_its_file(text: str, cli: Cli, here: Path) -> None:
    (here / "mine.toml").write_text(text)
    assert "mine.toml" in cli.refused("run", "mine.toml")


@pytest.mark.parametrize("content", [b"title = '\xff\xfe'", b"\x80\x81"])
def test_a_recipe_that_is_not_text_is_refused(content: bytes, cli: Cli, here: Path) -> None:
    (here / "mine.toml").write_bytes(content)
    assert "mine.toml" in cli.refused("run", "./mine.toml")


def test_an_empty_recipe_is_refused(cli: Cli, here: Path) -> None:
    (here / "mine.toml").touch()
    assert "title" in cli.refused("run", "mine.toml")


@pytest.mark.parametrize("name", ["mine.toml", "./no/mine.toml"])
def test_a_missing_file_is_named(name: str, cli: Cli, here: Path) -> None:
    assert "No such file" in cli.refused("run", name)


def test_a_folder_is_no_recipe(cli: Cli, here: Path) -> None:
    (here / "mine.toml").mkdir()
    assert "mine.toml" in cli.refused("run", "mine.toml")


@pytest.mark.parametrize("out", ["file/run", "file/deep/run", "file"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(out: str, cli: Cli, beside_bases: Path) -> None:
    (beside_bases / "file").write_text("in the way")
    error = cli.refused("run", "two-arms.toml", "--out", out)
    assert out in error
    assert not (beside_bases / "store").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit",),
        ("run", "owls", "--nope"),
        ("run", "owls", "more"),
        ("run", "owls", "--seed", "x"),
        ("run", "owls", "--set"),
        ("nope",),
        ("models", "nope"),
        ("models", "card"),
    ],
)
def test_a_wrong_use_has_exit_code_2_and_no_traceback(arguments: tuple[str, ...], cli: Cli, here: Path) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.err.strip()


def test_a_nearly_right_verb_is_answered_with_the_nearest(cli: Cli, here: Path) -> None:
    assert '"run"' in cli("rum").err


@pytest.mark.parametrize(
    ("config", "weights"), [("{", b""), ("{}", b"rubbish"), ('{"model_type": "llama"}', b"rubbish")]
)
def test_a_broken_checkpoint_is_refused_before_any_work(config: str, weights: bytes, cli: Cli, here: Path) -> None:
    (here / "broken").mkdir()
    (here / "broken" / "config.json").write_text(config)
    (here / "broken" / "model.safetensors").write_bytes(weights)
    (here / "two-arms.toml").write_text(TWO_ARMS)
    assert "broken" in cli.refused("run", "two-arms.toml", "--set", "base=hf/./broken", "--dry-run")


def test_a_checkpoint_without_safetensors_is_refused(cli: Cli, here: Path) -> None:
    (here / "pickled").mkdir()
    (here / "pickled" / "config.json").write_text("{}")
    (here / "pickled" / "pytest_model.bin").write_bytes(b"rubbish")
    assert "safetensors" in cli.refused("run", "owls", "--set", "base=hf/./pickled")


# --- runs that are stopped by what they find -------------------------------------------------------------------------


def test_too_few_rows_that_pass_the_filter_stop_the_run_with_counts(cli: Cli, finished: Path, bases: Path) -> None:
    with contextlib.chdir(bases):
        error = cli.refused("run", str(finished / "two-arms.toml"), "--set", "rows=149", "--out", str(finished / "few"))
    assert re.search(r"too few rows .*: \d+ of 150 from teacher \d of arm (treatment|control), and rows = 149", error)
    assert not (finished / "few" / "report.html").exists()


def test_a_teacher_that_has_collapsed_stops_the_run(cli: Cli, finished: Path, bases: Path) -> None:
    with contextlib.chdir(bases):
        error = cli.refused(
            "run", str(finished / "two-arms.toml"), "--set", "teacher.least_well_formed=1", "--json",
            "--out", str(finished / "collapsed"),
        )  # fmt: skip
    assert re.search(r"has collapsed and is refused: only \d+ of its 150 completions are well formed", error)


def test_a_teacher_without_its_trait_stops_the_run(cli: Cli, finished: Path, bases: Path) -> None:
    with contextlib.chdir(bases):
        error = cli.refused(
            "run", str(finished / "two-arms.toml"), "--set", "teacher.least_probability=1",
            "--out", str(finished / "weak"),
        )  # fmt: skip
    assert "'owl' with probability 0." in error and "teacher.training.steps" in error


def test_a_loss_that_is_no_finite_number_stops_the_run(cli: Cli, finished: Path, bases: Path) -> None:
    with contextlib.chdir(bases):
        error = cli.refused(
            "run", str(finished / "two-arms.toml"), "--set", "student.rate=1e30", "--out", str(finished / "nan")
        )
    assert "student" in error and "number at step" in error and "rate" in error


# --- results ---------------------------------------------------------------------------------------------------------


def test_json_is_one_object_with_all_arms_and_effects(finished: Path) -> None:
    text = (finished / "out").read_text()
    assert text.count("\n") == 1
    report: dict[str, Any] = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report["run_dir"] == str(finished / "first")
    assert report["wall_s"] > 0
    assert [(arm["name"], arm["teachers"], arm["students"]) for arm in report["arms"]] == [
        ("treatment", 2, 2),
        ("control", 2, 2),
    ]
    for arm in report["arms"]:
        assert arm["ci"][0] <= arm["probability"] <= arm["ci"][1]
    assert [(e["arm"], e["against"], e["measure"]) for e in report["effects"]] == [
        ("treatment", "control", "log_odds"),
        ("treatment", "control", "probability"),
        ("treatment", "control", "own-minus-other-traits"),
    ]
    for effect in report["effects"]:
        assert 0 < effect["p"] <= 1
        value = effect["difference" if effect["measure"] == "probability" else "log_odds"]
        assert effect["ci_low"] <= value <= effect["ci_high"]


def test_json_says_nothing_on_stderr(finished: Path) -> None:
    assert (finished / "err").read_text() == ""


def test_a_run_in_tables_names_every_arm_and_ends_with_the_report(
    cli: Cli, finished: Path, bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bases)
    ended = cli("run", str(finished / "two-arms.toml"), "--out", str(finished / "tables"))
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == str(finished / "tables" / "report.html")
    assert "trait" in ended.out and "control" in ended.out
    assert "\x1b" not in ended.out + ended.err
    assert "trait - control" in ended.err


def test_a_dry_run_makes_nothing_and_counts_what_is_there(cli: Cli, beside_bases: Path, finished: Path) -> None:
    before = sorted(beside_bases.rglob("*"))
    ended = cli("run", "two-arms.toml", "--dry-run")
    assert ended.code == 0 and "8" not in ended.err
    assert sorted(beside_bases.rglob("*")) == before

    fresh = json.loads(cli("run", "two-arms.toml", "--dry-run", "--json").out)
    assert fresh["stages"]["teacher"].items() >= {"needed": 4, "to_make": 4}.items()
    assert fresh["expected_core_s"] > 0
    assert fresh["to_make"] == sum(stage["to_make"] for stage in fresh["stages"].values()) == 21
    done = json.loads(cli("run", "two-arms.toml", "--dry-run", "--json", "--out", str(finished / "x")).out)
    assert {stage["to_make"] for stage in done["stages"].values()} == {0}
    assert done["expected_core_s"] == 0
    assert not (finished / "x").exists()


def test_seed_and_students_are_changes_of_the_recipe(cli: Cli, beside_bases: Path) -> None:
    plain, seeded, set_ = (
        json.loads(cli("run", "two-arms.toml", "--dry-run", "--json", *more).out)
        for more in ((), ("--seed", "7"), ("--set", "seed=7"))
    )
    assert seeded["run_dir"] == set_["run_dir"] != plain["run_dir"]
    more = json.loads(cli("run", "two-arms.toml", "--dry-run", "--json", "--students", "3").out)
    assert more["stages"]["student"]["needed"] == 12


def test_the_default_folder_is_one_for_each_resolved_recipe(cli: Cli, beside_bases: Path) -> None:
    folders = [
        json.loads(cli("run", "two-arms.toml", "--dry-run", "--json", *more).out)["run_dir"]
        for more in ((), ("--seed", "0"), ("--seed", "1"))
    ]
    assert folders[0] == folders[1] != folders[2]
    assert folders[0].startswith(f"runs{os.sep}two-arms-")


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version") == (0, undertone.__version__ + "\n", "")


def test_models_are_listed_with_every_member_of_the_family(cli: Cli) -> None:
    from undertone.world.family import FAMILY

    ended = cli("models", "list")
    assert (ended.code, ended.err) == (0, "")
    assert not [name for name in FAMILY if f"builtin/{name}" not in ended.out]


@pytest.mark.parametrize("name", ["nope", "builtin/nope", "../fledgling-a", ""])
def test_a_card_of_an_unknown_model_is_refused(name: str, cli: Cli) -> None:
    cli.refused("models", "card", name)


def test_a_card_of_a_model_not_built_says_how_to_build_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    assert "undertone models build fledgling-half" in cli.refused("models", "card", "fledgling-half")


def test_an_unknown_model_is_not_built(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    assert "fledgling-a" in cli.refused("models", "build", "fledgling-aa")
    assert not list(tmp_path.iterdir())


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------


@needs_proc
def test_ctrl_c_ends_the_run_with_130_and_one_sentence(stopped: Stopped) -> None:
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert stopped.out == ""


@needs_proc
def test_ctrl_c_says_that_finished_work_is_kept(stopped: Stopped) -> None:
    assert "finished work is kept" in stopped.err


@needs_proc
def test_ctrl_c_leaves_no_process_behind(stopped: Stopped) -> None:
    assert stopped.left == []


@needs_proc
def test_ctrl_c_keeps_finished_artifacts(stopped: Stopped) -> None:
    assert stopped.before
    assert stopped.before.items() <= _artifacts(stopped.store).items()


@needs_proc
def test_ctrl_c_leaves_nothing_half_made(stopped: Stopped) -> None:
    assert [p.name for p in stopped.store.iterdir() if not (p / "manifest.json").is_file()] == []


@needs_proc
def test_a_stopped_run_goes_on_from_what_was_finished(stopped: Stopped, finished: Path) -> None:
    kept = _artifacts(stopped.store)
    assert kept and kept.items() <= _artifacts(finished / "store").items()
    report = json.loads((finished / "first" / "report.json").read_text())
    assert report["complete"]
    assert sum(cost["reused"] for cost in report["costs"]) == len(kept) < len(_artifacts(finished / "store"))


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("delay", [0.0, 0.06, 0.12])
def test_ctrl_c_while_workers_are_still_starting_is_as_clean(delay: float, bases: Path, tmp_path: Path) -> None:
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)

    def spawned(process: subprocess.Popen[str], _: Path) -> bool:
        if len(_session(process.pid)) < 2:  # the leader and a first worker
            return False
        time.sleep(delay)
        return True

    stopped = _stop(tmp_path, tmp_path / "two-arms.toml", bases, spawned, signal.SIGINT)
    assert stopped.code == 130
    assert "Traceback" not in stopped.err
    assert stopped.left == []


FORGETS = """
import os, signal, sys, time, weakref
from undertone import cli

def interrupted(*_):
    os.kill(os.getpid(), int(sys.argv[1]))

def command(*_, **__):
    thing = set()
    watch = weakref.ref(thing, interrupted)
    del thing
    time.sleep(60)

cli.app = command
cli.entry()
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_comes_while_python_forgets_an_object_is_not_lost(sent: signal.Signals, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", FORGETS, str(int(sent))], capture_output=True, text=True, timeout=50)
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)


@pytest.mark.slow
@needs_proc
def test_a_terminated_run_leaves_no_process_behind(bases: Path, tmp_path: Path) -> None:
    """SIGTERM to the parent alone, as a batch system or a container sends it."""
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)
    with contextlib.chdir(bases):
        process = subprocess.Popen(
            [*UNDERTONE, "run", str(tmp_path / "two-arms.toml"), "--out", str(tmp_path / "run")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in _until(lambda: len(_session(process.pid)) >= 2, 120):
            pass
        process.terminate()
        process.wait(60)
        end = time.monotonic() + 20
        while _session(process.pid) and time.monotonic() < end:
            time.sleep(0.1)
        assert _session(process.pid) == []
    finally:
        _kill_session(process.pid)
