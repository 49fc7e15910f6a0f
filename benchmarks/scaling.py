"""The time for more students, more rows and more processes, with the workers that a trial uses.

Students are jobs as in a trial, from the dataset on disk to the adapter on disk.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.work import Work
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Folder, Job, Store
from undertone.engine.workers import Local
from undertone.models.names import resolve
from undertone.stages import STUDENT

Seconds = dict[str, dict[int, float]]


def measure(work: Work) -> Seconds:
    """Returns seconds for more ``students`` (one process), ``rows`` (one epoch) and ``processes`` (four students)."""
    students = {count: seconds(work, count, 1) for count in (1, 2, 4)}
    rows = {}
    for share in (4, 2, 1):
        some = replace(work, steps=max(1, work.rows // share // work.batch))
        rows[some.steps * work.batch] = seconds(some, 1, 1)
    return {"students": students, "rows": rows, "processes": {1: students[4], 2: seconds(work, 4, 2)}}


def seconds(work: Work, students: int, processes: int) -> float:
    """Returns the seconds between the end of a student of one step, after which the worker has imported everything, and
    the end of the last student."""
    inputs = {"base": resolve(work.base), "dataset": Folder(Path(work.data), "benchmark")}
    first = [_student(replace(work, steps=1), students + i, inputs) for i in range(processes)]
    jobs = first + [_student(work, seed, inputs) for seed in range(students)]
    with tempfile.TemporaryDirectory() as folder:
        ends = [time.perf_counter() for _ in run_jobs(jobs, Store(Path(folder)), Local(processes))]
    return ends[-1] - ends[0]


def _student(work: Work, seed: int, inputs: dict[str, Folder]) -> Job:
    return Job(STUDENT, {"base": work.base, "training": work.plan.model_dump(), "seed": seed}, inputs)
