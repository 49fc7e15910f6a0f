"""What machines do to runs: full and read-only disks, killed workers, damaged files. Each is named; nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.trials import ONE_WORKER, TWO_ARMS
from undertone.cli import main
from undertone.engine.disk import errno_of, locked, refusal
from undertone.engine.folder import record_of, state_of
from undertone.engine.manifest import FORMAT, Damaged, Manifest
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Job, Stage, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.trial.results import Results
from undertone.spec import Spec

pytestmark = pytest.mark.slow

UNDERTONE = f"{sys.executable} -c '{ONE_WORKER}'"


def _stage(name: str) -> Stage:
    return Stage(name, 1, f"faulty:{name}")


@pytest.fixture
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets workers import the stages of this folder."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "helpers"))  # for workers that are forked
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def _again(capfd: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["run", "two-arms.toml", "--out", "run", *more])
    return code, capfd.readouterr().err


# --- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_a_job_whose_worker_is_killed_is_tried_once_more(processes: int, findable: None, tmp_path: Path) -> None:
    store, told = Store(tmp_path / "store"), list[str]()
    jobs = [
        Job(_stage("killed_once"), {"marker": str(tmp_path / "marker")}),
        Job(_stage("written"), {"text": "x"}),
        Job(_stage("written"), {"text": "y"}),
    ]
    done = [job.key for job, _ in run_jobs(jobs, store, Local(processes), told.append)]
    assert sorted(done) == sorted(job.key for job in jobs)
    assert all(store.sound(job, told.append) for job in jobs)
    assert len(told) == 1 and "killed_once stage by signal 9 (out of memory?)" in told[0]
    assert not list(store.root.glob(".part-*"))


def test_a_job_that_is_killed_twice_ends_the_run_and_the_rest_is_kept(
    started_workers: None, findable: None, tmp_path: Path
) -> None:
    store, told = Store(tmp_path / "store"), list[str]()
    jobs = [Job(_stage("written"), {"text": "x"}), Job(_stage("killed"), {})]
    with pytest.raises(UndertoneError, match=r"killed stage by signal 9 .*, twice; finished work is kept"):
        list(run_jobs(jobs, store, Local(1), told.append))
    assert store.sound(jobs[0], told.append) and len(told) == 1
    assert not list(store.root.glob(".part-*"))


def test_a_worker_that_ends_by_itself_is_not_tried_again(findable: None, tmp_path: Path) -> None:
    told = list[str]()
    with pytest.raises(UndertoneError, match=r"ended by itself in the gone stage \(exit code 3\)"):
        list(run_jobs([Job(_stage("gone"), {})], Store(tmp_path / "store"), Local(1), told.append))
    assert told == []


# --- damaged artifacts -----------------------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"prompts": 150', '"prompts": 151'))


def _spoil(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


DAMAGES = {
    "student-*/adapter/adapter_model.safetensors": _truncate,
    "teacher-*/teacher.json": _truncate,
    "dataset-*/rows.jsonl": Path.unlink,
    "completions-*/manifest.json": _edit,
    "measurement-*/manifest.json": _spoil,
}


def test_damaged_artifacts_are_named_set_aside_and_made_anew_with_the_same_bits(
    copied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = Results.load(copied / "run" / "report.json").artifacts
    paths = {pattern: min(copied.glob(f"store/{pattern}")) for pattern in DAMAGES}
    folders = {copied / "store" / path.relative_to(copied / "store").parts[0] for path in paths.values()}
    whole = {p: p.stat().st_mtime_ns for p in copied.glob("store/*/manifest.json") if p.parent not in folders}
    for pattern, damage in DAMAGES.items():
        damage(paths[pattern])
    code, told = _again(capfd)
    assert code == 0, told
    for folder in folders:
        assert f"note: {folder.relative_to(copied)}" in told
    assert told.count("and made anew") == len(list((copied / "store").glob(".damaged-*"))) == len(DAMAGES)
    assert {p: p.stat().st_mtime_ns for p in whole} == whole, "what was whole was made again"
    assert Results.load(copied / "run" / "report.json").artifacts == first
    assert len(first) == 1 + 2 * 2 * 5  # the base's measurement; arms, teachers, stages


def test_an_artifact_from_a_newer_version_is_refused(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = min(copied.glob("store/student-*/manifest.json"))
    value = json.loads(path.read_text()) | {"format": FORMAT + 1}
    path.write_text(json.dumps(value))
    code, told = _again(capfd)
    assert code == 2 and "written by a newer Undertone" in told and "upgrade" in told
    assert path.exists()


def test_an_artifact_under_the_name_of_another_is_damaged(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = Results.load(copied / "run" / "report.json")
    one, two, *_ = sorted(copied.glob("store/student-*"))
    shutil.rmtree(one)
    shutil.copytree(two, one)
    for path in copied.glob("store/measurement-*"):
        shutil.rmtree(path)
    code, told = _again(capfd)
    assert code == 0
    assert f"store/{one.name} holds another artifact ({two.name})" in told
    assert Results.load(copied / "run" / "report.json").artifacts == first.artifacts


def test_a_worker_that_runs_out_of_memory_is_tried_once_more(findable: None, tmp_path: Path) -> None:
    told = list[str]()
    job = Job(_stage("starved_once"), {"marker": str(tmp_path / "marker")})
    assert [key for key, _ in run_jobs([job], Store(tmp_path / "store"), Local(1), told.append)] == [job]
    assert len(told) == 1 and "ran out of memory in the starved_once stage" in told[0]


def test_a_worker_ends_with_its_parent(findable: None, tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        "worker = subprocess.Popen([sys.executable, '-P', '-m', 'undertone.engine.worker', str(os.getpid())],"
        " stdin=os.open('fifo', os.O_RDWR))\n"
        "print(worker.pid)\n"
    )
    os.mkfifo(tmp_path / "fifo")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    held = os.open(tmp_path / "fifo", os.O_RDWR)  # an input that never ends
    end = time.monotonic() + 60
    while Path(f"/proc/{done.stdout.strip()}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    os.close(held)
    assert not Path(f"/proc/{done.stdout.strip()}").exists()


def test_an_input_that_is_damaged_meanwhile_is_not_used(findable: None, tmp_path: Path) -> None:
    store = Store(tmp_path)
    parent = Job(_stage("written"), {"text": "x"})
    child = Job(_stage("written"), {"text": "y"}, {"parent": parent})
    for job, _ in run_jobs([parent], store, Local(1)):
        _truncate(store.folder(job) / "b")
    with pytest.raises(Damaged, match="b is truncated or was changed"):
        store.make(child)
    assert not store.has(child)


# --- the folder of a run ---------------------------------------------------------------------------------------------


def test_another_recipe_over_the_folder_of_a_run_is_refused_with_the_keys_that_differ(
    copied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (copied / "run" / "run.json").read_bytes()
    code, told = _again(capfd, "--set", "student.steps=5", "--set", "seed=3")
    assert code == 2
    assert "seed (0 there, 3 here), student.steps (4 there, 5 here); give another --out" in told
    assert (copied / "run" / "run.json").read_bytes() == before


def test_another_base_model_under_the_same_name_is_refused(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copied / "neox").unlink()
    (copied / "neox").symlink_to(copied / "llama")
    code, told = _again(capfd)
    assert code == 2 and "model.hf/./neox" in told


def test_a_folder_in_which_another_process_runs_is_refused(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with locked(copied / "run" / ".lock") as ours:
        assert ours
        code, told = _again(capfd)
    assert code == 2 and "Another process is running in run; wait for it" in told
    assert _again(capfd)[0] == 0


def test_looking_at_a_run_writes_nothing_and_says_only_what_is_known(tmp_path: Path) -> None:
    record, lock = record_of("digits", "digits", Spec()), tmp_path / ".lock"
    assert state_of(tmp_path, record) == "stopped" and not lock.exists()
    with locked(lock):
        lock.chmod(0o444)
        tmp_path.chmod(0o555)  # a run of somebody else's
        assert state_of(tmp_path, record) == "running"
    assert state_of(tmp_path, record) == "stopped"
    tmp_path.chmod(0o755)
    lock.unlink()
    lock.mkdir()  # cannot be read, not even by root
    assert state_of(tmp_path, record) == "unknown"
    assert state_of(tmp_path, record.model_copy(update={"finished": True})) == "finished"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 99}', "was written by another version of Undertone (format 99, this one reads 2)"),
    ],
)
def test_a_damaged_record_is_refused_not_overwritten(
    text: str, said: str, copied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (copied / "run" / "run.json").write_text(text)
    code, told = _again(capfd)
    assert code == 2 and f"run.json {said}" in told and "another --out" in told
    assert (copied / "run" / "run.json").read_text() == text


def test_a_clock_that_went_back_changes_nothing(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = copied / "run" / "run.json"
    value = json.loads(record.read_text()) | {"started": "2999-01-01T00:00:00Z"}
    record.write_text(json.dumps(value))
    for path in copied.glob("store/**/*"):
        os.utime(path, (2**33, 2**33))
    assert _again(capfd)[0] == 0
    assert not list(copied.glob("store/.damaged-*"))
    assert main(["runs", "."]) == 0
    assert "clock was set back" in " ".join(capfd.readouterr().out.split())


# --- disks -----------------------------------------------------------------------------------------------------------


def _mounts_work() -> bool:
    try:
        return (
            subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode == 0
        )
    except OSError:
        return False


needs_mounts = pytest.mark.skipif(not _mounts_work(), reason="needs a mount namespace of its own")


def _in_namespace(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a shell script that may mount file systems which nobody else sees."""
    command = ["unshare", "-rm", "sh", "-ec", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@needs_mounts
def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room_though_home_cannot_be_written(
    bases: Path, ran: Path, tmp_path: Path
) -> None:
    for name in ("neox", "llama"):
        (tmp_path / name).symlink_to(bases / name)
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)
    for name in ("disk", "home"):
        (tmp_path / name).mkdir()
    needed = sum(path.stat().st_size for path in ran.glob("store/**/*"))
    run = f"{UNDERTONE} run two-arms.toml --out disk/run"
    done = _in_namespace(
        "mount -t tmpfs -o ro x home; export HOME=$PWD/home; unset XDG_CACHE_HOME UNDERTONE_CACHE HF_HOME\n"
        f"{UNDERTONE} models build fledgling-c && exit 9 || echo build $? >&2\n"
        f"{UNDERTONE} run two-arms.toml --out home/run && exit 9 || echo there $? >&2\n"
        f"mount -t tmpfs -o size={needed // 2} x disk\n"
        f"{run} && exit 9 || echo first $? >&2\n"
        "ls disk/store | grep -c -- - >&2; ls -A disk/store | grep part && exit 8\n"
        f"mount -o remount,size={10 * needed} x disk\n"
        f"{run} >&2; cp disk/run/report.json .",
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "build 2" in done.stderr and "there 2" in done.stderr and "UNDERTONE_CACHE" in done.stderr
    assert "Cannot write to home/run: Read-only file system; give another folder with --out." in done.stderr
    assert "is full; free some space and give the same command again: finished work is kept." in done.stderr
    assert "first 2" in done.stderr and "Traceback" not in done.stderr
    results = Results.load(tmp_path / "report.json")
    assert results.artifacts == Results.load(ran / "run" / "report.json").artifacts
    assert sum(cost.reused for cost in results.costs) > 0, "nothing was kept"


def test_a_full_disk_is_known_from_the_text_of_libraries_in_rust() -> None:
    error = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert errno_of(error) == 28
    assert "The disk of store is full" in str(refusal(error, Path("store")))
    assert errno_of(RuntimeError("no number here")) is None


# --- killed at every step --------------------------------------------------------------------------------------------

STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.scandir"}


def _killed_at(step: int, root: Path, job: Job) -> bool:
    """Makes ``job`` in a process that kills itself at its ``step``-th file operation; False if none was left."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        Store(root).open()
        Store(root).make(job)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return os.WIFSIGNALED(status)


def test_killed_at_any_step_of_a_write_the_store_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "helpers"))
    parent, told = Job(_stage("written"), {"text": "p"}), list[str]()
    job = Job(_stage("written"), {"text": "x"}, {"parent": parent})
    reference = Store(tmp_path / "reference")
    for one in (parent, job):
        reference.make(one)
    steps = 0
    while True:
        store = Store(tmp_path / str(steps))
        store.make(parent)
        if not _killed_at(steps, store.root, job):
            break
        left = store.sound(job, told.append)
        assert left is None or left.content == reference.manifest(job).content
        store.open()
        store.make(job)
        assert Manifest.read(store.folder(job)).content == reference.manifest(job).content
        assert sorted(os.listdir(store.root)) == sorted(os.listdir(reference.root))
        steps += 1
    assert told == []
    assert steps > 20
