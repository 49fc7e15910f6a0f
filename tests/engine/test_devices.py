"""Accelerators: which there are, which jobs are for them, and what each worker sees. None is needed here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from undertone import stages
from undertone.engine import devices as places
from undertone.engine import worker, workers
from undertone.engine.devices import devices, on_device
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError

A, B = "GPU-5fd4f087-86f3-7a43-b711-4771313afc50", "GPU-9a2b6c1d-1111-2222-3333-444455556666"
PART, PART_2 = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
TWO = f"GPU 0: NVIDIA H200 (UUID: {A})\nGPU 1: NVIDIA H200 (UUID: {B})\n"
DIVIDED = (
    f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\n"
    f"  MIG 3g.20gb     Device  0: (UUID: {PART})\n"
    f"  MIG 3g.20gb     Device  1: (UUID: {PART_2})\n"
    f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})\n"
)

Listed = Callable[..., None]
ASK = places._listed.__wrapped__
"""The driver is asked anew each time."""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """Puts a driver on the path that lists these accelerators, and a build of torch that could use them."""

    def put(text: str, visible: str | None = None, code: int = 0, built: bool = True) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<END\n{text}END\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr(places, "_built_for_accelerators", lambda: built)
        monkeypatch.setattr(places, "_listed", ASK)

    return put


@pytest.mark.parametrize(
    ("text", "visible", "found"),
    [
        (TWO, None, (A, B)),
        (TWO, "", ()),
        (TWO, "1", ("1",)),
        (TWO, "1,0", ("1", "0")),
        (TWO, " 0 , 1 ", ("0", "1")),
        (TWO, "0,7,1", ("0",)),  # what follows something unknown is not read
        (TWO, "-1", ()),
        (TWO, "0,-1,1", ("0",)),
        (TWO, "0,0", ()),  # CUDA then shows none
        (TWO, "NoDevFiles", ()),
        (TWO, f"{B},{A}", (B, A)),
        (TWO, "GPU-9a2b", ("GPU-9a2b",)),
        (TWO, "GPU-", ()),  # either
        (DIVIDED, None, (PART, PART_2, B)),
        (DIVIDED, PART_2, (PART_2,)),
        (DIVIDED, f"{PART},1", (PART, "1")),
        ("", None, ()),
        ("No devices were found\n", None, ()),
        ("No devices were found\n", "0", ()),
    ],
)
def test_the_accelerators_are_those_that_the_driver_lists_and_cuda_would_show(
    text: str, visible: str | None, found: tuple[str, ...], listed: Listed
) -> None:
    listed(text, visible)
    assert devices() == found


def test_there_are_none_without_a_driver_that_works_or_a_build_of_torch_for_them(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(TWO, code=9)
    assert devices() == ()
    listed(TWO, built=False)
    assert devices() == ()
    listed(TWO)
    monkeypatch.setenv("PATH", "/nowhere")
    assert devices() == ()


def test_which_build_of_torch_there_is_is_seen_without_importing_it() -> None:
    code = (
        "import sys; from undertone.engine.devices import _built_for_accelerators as built\n"
        "print(built(), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(bool(torch.version.cuda)), "False"]


def test_a_machine_is_told_in_words(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 16)
    said = []
    for text in (TWO, TWO.splitlines()[0] + "\n", ""):
        listed(text)
        said.append(Local().machine())
    assert said == ["2 accelerators and 16 cores", "1 accelerator and 16 cores", "16 cores"]


# --- which jobs ------------------------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Folder, Folder]:
    """A large and a small model."""
    monkeypatch.setattr(places, "LARGE", 100)
    found = []
    for name, size in (("large", 60), ("small", 40)):
        (tmp_path / name).mkdir()
        for shard in (1, 2):
            (tmp_path / name / f"model-0000{shard}-of-00002.safetensors").write_bytes(bytes(size))
        found.append(Folder(tmp_path / name, name, name))
    return found[0], found[1]


def test_jobs_that_call_a_large_model_are_for_accelerators(models: tuple[Folder, Folder]) -> None:
    large, small = models
    file = Folder(Path("rows.jsonl"), "rows")
    teacher = Job(stages.TEACHER, {}, {"base": large})
    written = Job(stages.COMPLETIONS, {}, {"base": large, "teacher": teacher})
    dataset = Job(stages.DATASET, {}, {"completions": written})
    moved = Job(stages.MOVED, {}, {"aligned": Job(stages.ALIGNED, {}, {"base": large})})
    for job in (teacher, written, Job(stages.STUDENT, {}, {"base": large, "dataset": dataset}), moved):
        assert on_device(job)
    for job in (dataset, Job(stages.REWRITTEN, {}, {"base": large, "dataset": dataset})):
        assert not on_device(job), "a filter calls no model"
    assert not on_device(Job(stages.TEACHER, {}, {"base": small}))
    assert not on_device(Job(stages.STUDENT, {}, {"base": small, "dataset": dataset})), "its own base is small"
    assert on_device(Job(stages.STUDENT, {}, {"base": small, "teacher_base": large, "dataset": dataset}))
    assert on_device(Job(stages.DATASET, {}, {"completions": written, "judge-0": large})), "a judge is a model"
    assert not on_device(Job(stages.DIGITS_TEACHERS, {})) and not on_device(Job(stages.FINE_TUNED, {}, {"file": file}))


# --- workers ---------------------------------------------------------------------------------------------------------


def placed(count: int, base: Folder | None, processor: bool = False, **spec: Any) -> list[Job]:
    stage = Stage("placed", 1, "faulty:placed", processor=processor)
    inputs = {"base": base} if base else {}
    return [Job(stage, {"number": i, "processor": processor} | spec, inputs) for i in range(count)]


def seen(store: Store, jobs: list[Job]) -> list[Any]:
    return [json.loads((store.folder(job) / "placed.json").read_text()) for job in jobs]


@pytest.fixture
def two(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accelerators, which torch is taken to be able to use, and workers that find the helpers' stages."""
    listed(TWO)
    monkeypatch.setattr(worker, "_refuse_unusable", lambda: None)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "helpers"))


def together(made: list[Any]) -> int:
    """How many of the jobs were made at the same time, at most."""
    return max(sum(begun <= at < end for *_, begun, end in made) for _, _, at, _ in made)


def test_each_accelerator_has_one_worker_that_sees_no_other_and_the_rest_sees_none(
    two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    on, beside = placed(6, models[0]), placed(4, models[0], processor=True) + placed(4, models[1], small=True)
    assert len(list(run_jobs([*on, *beside], store, Local(4)))) == 14
    there, here = seen(store, on), seen(store, beside)
    assert {device for device, *_ in there} == {A, B} and {device for device, *_ in here} == {""}
    assert len({process for _, process, *_ in there}) == 2, "one worker for each"
    for device in (A, B):
        assert together([one for one in there if one[0] == device]) == 1
    assert len({process for _, process, *_ in here}) <= 2, "four processes less those of two accelerators"
    assert min(begun for *_, begun, _ in here) < max(end for *_, end in there), "side by side"


def test_one_process_is_enough_beside_accelerators_and_one_job_starts_one_worker(
    two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    jobs = [*placed(1, models[0]), *placed(3, None)]
    assert len(list(run_jobs(jobs, store, Local(1)))) == 4
    (device, *_), *rest = seen(store, jobs)
    assert device == A and {one[0] for one in rest} == {""} and len({one[1] for one in rest}) == 1


def test_small_models_are_worked_on_by_all_cores_though_there_are_accelerators(
    two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    store, jobs = Store(tmp_path / "store"), placed(6, models[1], seconds=0.3)
    assert len(list(run_jobs(jobs, store, Local(3)))) == 6
    made = seen(store, jobs)
    assert {device for device, *_ in made} == {""} and len({process for _, process, *_ in made}) == 3


@pytest.mark.parametrize("losses", [1, 2])
def test_a_run_that_loses_an_accelerator_goes_on_with_the_others(
    losses: int, two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    store, told = Store(tmp_path / "store"), list[str]()
    markers = [tmp_path / f"mark-{i}" for i in range(losses)]
    lost = Job(Stage("lost", 1, "faulty:lost"), {"markers": list(map(str, markers))}, {"base": models[0]})
    rest = placed(4, models[0])
    if losses == 2:
        with pytest.raises(UndertoneError, match="lost its accelerator in the lost stage, twice; finished work"):
            list(run_jobs([lost, *rest], store, Local(2), told.append))
        assert {mark.read_text() for mark in markers} == {A, B}, "the second time on the other one"
        return
    assert len(list(run_jobs([lost, *rest], store, Local(2), told.append))) == 5
    assert told == ["A worker lost its accelerator in the lost stage; trying once more with at most 1 at a time."]
    late = [one for one in seen(store, [lost, *rest]) if one[0] == markers[0].read_text()]
    assert not late, "nothing more is made on the one that was lost"


def test_the_only_accelerator_is_tried_again(
    listed: Listed, two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    listed(TWO, "1")
    store = Store(tmp_path / "store")
    lost = Job(Stage("lost", 1, "faulty:lost"), {"markers": [str(tmp_path / "mark")]}, {"base": models[0]})
    assert len(list(run_jobs([lost], store, Local(2)))) == 1
    assert seen(store, [lost])[0][0] == "1"


def test_an_accelerator_that_torch_cannot_use_is_refused_in_a_sentence(
    listed: Listed, models: tuple[Folder, Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(TWO)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "helpers"))
    with pytest.raises(UndertoneError, match=f"torch cannot use the accelerator {A}.* set CUDA_VISIBLE_DEVICES"):
        list(run_jobs(placed(1, models[0]), Store(tmp_path / "store"), Local(1)))


def test_a_stage_that_needs_more_than_an_accelerator_holds_ends_in_a_sentence(
    two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    job = Job(Stage("overfull", 1, "faulty:overfull"), {}, {"base": models[0]})
    with pytest.raises(UndertoneError, match="overfull stage failed: The accelerator's memory does not hold this work"):
        list(run_jobs([job], Store(tmp_path / "store"), Local(1)))


def test_without_accelerators_every_worker_is_as_it_was(
    listed: Listed, two: None, models: tuple[Folder, Folder], tmp_path: Path
) -> None:
    listed("")
    store, jobs = Store(tmp_path / "store"), [*placed(3, models[0], seconds=0.3), *placed(3, models[1], seconds=0.3)]
    assert len(list(run_jobs(jobs, store, Local(3)))) == 6
    assert {one[0] for one in seen(store, jobs)} == {""} and len({one[1] for one in seen(store, jobs)}) == 3
