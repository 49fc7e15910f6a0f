"""An artifact is found under the digest of everything that made it, whole or not at all."""

import json
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.engine.digests import digest, folder_digest
from undertone.engine.disk import write_text
from undertone.engine.manifest import Source
from undertone.engine.schedule import run_jobs, unique
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _write(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    for name, text in spec.items():
        (out / name).write_text(text)
    for name, folder in inputs.items():
        (out / f"{name}.copy").write_text((folder / "text").read_text())


def _fail(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    (out / "text").write_text("half")
    raise ZeroDivisionError


def _meet(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Waits until the other process has begun to make the same artifact too."""
    (out / "text").write_text("same")
    out.with_name(f"here-{os.getpid()}").touch()
    while len(list(out.parent.glob("here-*"))) < 2:
        pass


def _nested(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    (out / "model").mkdir()
    (out / "model" / "weights").write_bytes(b"")


def _stage(name: str, version: int = 1, function: str = "") -> Stage:
    return Stage(name, version, f"{__name__}:{function or f'_{name}'}")


def _make_in_process(root: Path) -> None:
    Store(root).make(Job(_stage("meet"), {}))


WRITE = _stage("write")


def _stray(root: Path) -> list[str]:
    """What lies in the store beside artifacts under their own names."""
    return [p.name for p in root.iterdir() if not (p / "manifest.json").is_file()] if root.exists() else []


# --- digests and keys ------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, Any], rng: Any) -> None:
    names = list(value)
    rng.shuffle(names)
    assert digest({name: value[name] for name in names}) == digest(value)


@given(JSON, JSON)
def test_digests_are_equal_only_for_equal_json(a: Any, b: Any) -> None:
    assert (digest(a) == digest(b)) == (json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))


def test_a_digest_depends_on_the_order_of_lists() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_a_digest_is_the_same_in_every_version_of_this_library() -> None:
    assert digest({"b": [1, 2.5, None], "a": "é"}) == "84afbf1d4853005f9dd0c81cb1819b53ce86978340764c062160f6e8356665de"


def test_a_key_depends_on_stage_version_spec_inputs_and_their_names() -> None:
    parent, other = Job(WRITE, {"text": "a"}), Job(WRITE, {"text": "b"})
    jobs = [
        Job(WRITE, {"text": "a"}),
        Job(WRITE, {"text": "b"}),
        Job(_stage("copy", 1, "_write"), {"text": "a"}),
        Job(_stage("write", 2), {"text": "a"}),
        Job(WRITE, {"text": "a"}, {"x": parent}),
        Job(WRITE, {"text": "a"}, {"y": parent}),
        Job(WRITE, {"text": "a"}, {"x": other}),
        Job(WRITE, {"text": "a"}, {"x": Folder(Path("a"), "key")}),
        Job(WRITE, {"text": "a"}, {"x": Folder(Path("a"), "other key")}),
    ]
    assert len({job.key for job in jobs}) == len(jobs)


def test_a_key_depends_on_grandparents() -> None:
    def line(text: str) -> Job:
        return Job(WRITE, {}, {"x": Job(WRITE, {}, {"x": Job(WRITE, {"text": text})})})

    assert line("a").key == line("a").key != line("b").key


def test_a_key_depends_neither_on_the_folder_of_an_input_nor_on_the_order_of_inputs() -> None:
    here, there = Folder(Path("here"), "k"), Folder(Path("there"), "k")
    assert Job(WRITE, {}, {"a": here, "b": there}).key == Job(WRITE, {}, {"b": here, "a": there}).key


def test_a_folder_digest_follows_the_named_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    both = folder_digest(tmp_path, ("a", "b", "missing"))
    assert both == folder_digest(tmp_path, ("b", "a"))
    assert both != folder_digest(tmp_path, ("a",))
    (tmp_path / "b").write_text("3")
    assert both != folder_digest(tmp_path, ("a", "b"))
    (tmp_path / "a").write_text("3")
    (tmp_path / "b").write_text("1")
    assert both != folder_digest(tmp_path, ("a", "b"))


def test_jobs_of_the_same_key_are_one_job_in_order_of_first_appearance() -> None:
    a, b = Job(WRITE, {"text": "a"}), Job(WRITE, {"text": "b"})
    assert [job.key for job in unique([b, a, Job(WRITE, {"text": "b"})])] == [b.key, a.key]


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_job_that_is_sent_to_another_process_keeps_its_key(spec: dict[str, Any]) -> None:
    job = Job(WRITE, spec, {"x": Job(WRITE, {"text": "a"}), "y": Folder(Path("there"), "k", "base")})
    store = Store(Path("store"))
    sent = json.dumps(asdict(replace(job, inputs=store.folders(job))), default=str)
    received = Job.from_json(json.loads(sent))
    assert received.key == job.key and store.folders(received) == store.folders(job)


# --- making ----------------------------------------------------------------------------------------------------------


def test_an_artifact_is_made_once_and_its_manifest_says_of_what(tmp_path: Path) -> None:
    store, parent = Store(tmp_path / "store"), Job(WRITE, {"text": "hello"})
    child = Job(WRITE, {}, {"x": parent})
    assert not store.has(parent)
    assert store.make(parent) > 0
    assert store.has(parent) and not store.has(child)
    store.make(child)
    assert (store.folder(child) / "x.copy").read_text() == "hello"

    manifest = store.manifest(child)
    assert manifest.key == child.key
    assert (manifest.stage, manifest.version, manifest.spec) == ("write", 1, {})
    assert manifest.inputs == {"x": Source(key=parent.key, name=store.folder(parent).name)}
    assert list(manifest.files) == ["x.copy"]
    assert manifest.seconds >= 0
    assert manifest.made_with["torch"].startswith("2.13.0")

    before = store.folder(child).stat().st_mtime_ns
    assert [seconds for _, seconds in run_jobs([parent, child], store, Local(1))] == [0.0, 0.0]
    assert store.folder(child).stat().st_mtime_ns == before
    assert not _stray(store.root)


def test_a_manifest_has_the_digest_of_every_file_below(tmp_path: Path) -> None:
    store, job = Store(tmp_path), Job(_stage("nested"), {})
    store.make(job)
    assert store.manifest(job).files == {
        "model/weights": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }


def test_a_failing_stage_leaves_no_artifact_and_no_part(tmp_path: Path) -> None:
    store, job = Store(tmp_path / "store"), Job(_stage("fail"), {})
    with pytest.raises(ZeroDivisionError):
        store.make(job)
    assert not store.has(job)
    assert not list(store.root.iterdir())


def test_a_folder_without_manifest_is_not_an_artifact(tmp_path: Path) -> None:
    store, job = Store(tmp_path), Job(WRITE, {"text": "new"})
    store.folder(job).mkdir()
    (store.folder(job) / "text").write_text("old")
    assert not store.has(job)


def test_a_folder_without_manifest_is_replaced(tmp_path: Path) -> None:
    store, job = Store(tmp_path), Job(WRITE, {"text": "new"})
    store.folder(job).mkdir()
    (store.folder(job) / "text").write_text("old")
    store.make(job)
    assert store.has(job)
    assert (store.folder(job) / "text").read_text() == "new"
    assert not _stray(store.root)


def test_leftovers_of_a_killed_process_do_not_hinder_making(tmp_path: Path) -> None:
    store, job = Store(tmp_path), Job(WRITE, {"text": "new"})
    left = tmp_path / f".part-{job.key[:20]}-{os.getpid()}"
    left.mkdir()
    (left / "rubbish").touch()
    store.make(job)
    assert list(store.manifest(job).files) == ["text"]


def test_two_processes_that_make_the_same_artifact_both_succeed(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_make_in_process, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    store, job = Store(tmp_path), Job(_stage("meet"), {})
    assert store.has(job)
    assert not [name for name in _stray(tmp_path) if not name.startswith("here-")]


def test_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one")
    write_text(tmp_path / "a", "zwei\n")
    assert (tmp_path / "a").read_text() == "zwei\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    with pytest.raises(UndertoneError, match="Could not write"):
        write_text(tmp_path / "a" / "b", "below a regular file")
