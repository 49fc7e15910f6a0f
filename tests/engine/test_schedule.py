"""In which order jobs are made, whatever makes them, and what becomes of those whose worker is lost."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.engine.executor import WorkerLost, executing
from undertone.engine.schedule import chosen, run_jobs
from undertone.engine.store import Job, Stage, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError

STAGE = Stage("stub", 1, "nowhere:stub")


class Stub:
    """Makes nothing, in ``places`` for jobs of even and of odd numbers, and ends any of what was given. It loses a job
    as often, and with as much blame, as ``losses`` says by its number."""

    def __init__(self, places: int, losses: dict[int, list[float]], seed: int = 0, patience: int = 2) -> None:
        self._places, self._losses, self._rng, self.patience = places, losses, Random(seed), patience
        self.running, self.given = list[Job](), list[int]()

    def crew(self, jobs: Sequence[Job], store: Store) -> AbstractContextManager["Stub"]:
        return nullcontext(self)

    def kind(self, job: Job) -> int:
        return int(job.spec["number"]) % 2

    def give(self, job: Job) -> bool:
        if sum(self.kind(one) == self.kind(job) for one in self.running) == self._places:
            return False
        self.running.append(job)
        self.given.append(job.spec["number"])
        return True

    def answers(self) -> Iterator[tuple[Job, float | WorkerLost]]:
        for _ in range(self._rng.randrange(1, 1 + len(self.running))):
            job = self.running.pop(self._rng.randrange(len(self.running)))
            losses = self._losses.get(job.spec["number"])
            yield job, WorkerLost("lost", losses.pop()) if losses else 1.0

    def left(self, job: Job) -> int:
        return self._places

    def places(self, job: Job) -> Sequence[str]:
        return ("",) * self._places

    def machine(self) -> str:
        return "nowhere"


def chained(parents: Sequence[Sequence[int]]) -> list[Job]:
    """Jobs, each made from earlier ones."""
    jobs = list[Job]()
    for number, own in enumerate(parents):
        jobs.append(Job(STAGE, {"number": number}, {f"from {k}": jobs[k] for k in own}))
    return jobs


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(1, 25))
    return [sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else [] for i in range(count)]


def made(stub: Stub, jobs: Sequence[Job]) -> list[int]:
    with TemporaryDirectory() as folder:
        return [job.spec["number"] for job, _ in run_jobs(jobs, Store(Path(folder)), stub)]


@given(graphs(), st.integers(1, 4), st.integers(0, 99), st.sets(st.integers(0, 24), max_size=4))
def test_every_job_is_made_once_after_its_parents_though_workers_are_lost(
    parents: list[list[int]], places: int, seed: int, unlucky: set[int]
) -> None:
    stub = Stub(places, {number: [1.0] for number in unlucky}, seed)
    done = made(stub, chained(parents))
    assert sorted(done) == list(range(len(parents))) and not stub.running
    for number, own in enumerate(parents):
        assert all(done.index(parent) < done.index(number) for parent in own)
    assert Counter(stub.given) == Counter([*done, *(number for number in unlucky if number < len(parents))])


@given(st.integers(1, 4), st.integers(0, 99))
def test_of_jobs_that_wait_for_the_same_workers_earlier_ones_go_first(places: int, seed: int) -> None:
    stub = Stub(places, {}, seed)
    made(stub, chained([[]] * 20))
    for kind in (0, 1):
        assert [number for number in stub.given if number % 2 == kind] == list(range(kind, 20, 2))


def test_a_job_that_lost_its_worker_goes_before_all_others() -> None:
    stub = Stub(1, {0: [1.0]})
    made(stub, chained([[]] * 6))
    assert [number for number in stub.given if not number % 2] == [0, 0, 2, 4]


@pytest.mark.parametrize(
    ("blame", "patience", "times"), [(1.0, 2, "twice"), (1.0, 4, "4 times"), (0.25, 4, "16 times")]
)
def test_a_job_that_loses_its_worker_again_and_again_ends_the_run(blame: float, patience: int, times: str) -> None:
    with pytest.raises(UndertoneError, match=f"lost, {times}; finished work is kept"):
        made(Stub(1, {0: [blame] * 99}, patience=patience), chained([[]]))
    few = Stub(1, {0: [blame] * (round(patience / blame) - 1)}, patience=patience)
    assert made(few, chained([[]])) == [0]


def test_a_job_whose_parent_is_not_among_the_jobs_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="wait for parents"):
        made(Stub(1, {}), chained([[], [0]])[1:])


def test_work_inside_a_block_is_made_by_its_executor() -> None:
    stub = Stub(1, {})
    assert chosen() == Local()
    with executing(stub):
        assert chosen() is stub
        with executing(Local(3)):
            assert chosen() == Local(3)
        assert chosen() is stub
    assert chosen() == Local()
