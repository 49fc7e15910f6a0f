"""The jobs of one run on a Ray cluster: handed over, waited for, and their artifacts taken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
    WorkerCrashedError,
)

from undertone.engine import environment
from undertone.engine.cluster import node
from undertone.engine.cluster.connection import Connection
from undertone.engine.cluster.node import surroundings
from undertone.engine.devices import on_device, weights
from undertone.engine.executor import WorkerLost
from undertone.engine.parcels import packed
from undertone.engine.store import Folder, Job, Store
from undertone.engine.workers import LOSSES, seconds_of
from undertone.errors import UndertoneError

AHEAD, LEAST_AHEAD = 2, 32
"""Jobs that are handed over for each place, and in all: those that wait there save a place from waiting for them."""
COPIES, LEAST_MEMORY = 4, 500 * 10**6
"""A job is taken to need the memory of so many copies of its base, and at least so many bytes."""
LATE = 60.0
"""Most seconds after which what a node wrote to a shared disk is seen here."""


@dataclass(frozen=True)
class _Given:
    job: Job
    parents: tuple[str, ...]
    """Keys of the artifacts that it is made from."""


class RayCrew:
    """The jobs of one run."""

    patience = 4  # other work on the cluster may end a worker, too

    def __init__(self, cluster: Connection, jobs: Sequence[Job], store: Store, shared: bool | None) -> None:
        self._seen_by_all = shared
        self._cluster, self._jobs, self._store = cluster, jobs, store
        self._running = dict[Any, _Given]()
        self._busy = Counter[bool]()
        self._sent = dict[str, Any]()
        self._waiting_for = Counter(parent.key for job in jobs for parent in job.parents)

    def kind(self, job: Job) -> bool:
        """Returns whether a job is made on an accelerator."""
        return on_device(job) and any(one.accelerators for one in self._cluster.nodes)

    def left(self, job: Job) -> int:
        """Returns how many jobs of this kind can be made at a time."""
        return len(self._cluster.places(job))

    def give(self, job: Job) -> bool:
        """Hands a job to the cluster; returns False if enough of its kind are there.

        Raises:
            UndertoneError: at the first job, if the cluster cannot do the work.
        """
        shared, kind = self._shared, self.kind(job)
        if self._busy[kind] >= max(LEAST_AHEAD, AHEAD * self.left(job)):
            return False
        folders = self._store.folders(job)
        artifacts = {name for name, source in job.inputs.items() if isinstance(source, Job)}
        sent = {name: self._parcel(one) for name, one in folders.items() if not (shared and name in artifacts)}
        order = node.Order(
            job=asdict(replace(job, inputs=folders)),
            sent=sent,
            kept=frozenset(folders.keys() - artifacts),
            shared=str(self._store.root) if shared else None,
            versions=environment.versions(),
        )
        given = self._make.options(**self._needs(job)).remote(order)
        self._running[given] = _Given(job, tuple(folders[name].key for name in artifacts))
        self._busy[kind] += 1
        return True

    def answers(self) -> Iterator[tuple[Job, float | WorkerLost]]:
        """Waits until a job has ended, and takes its artifact."""
        running = list(self._running)
        ray.wait(running, fetch_local=False)
        for ended in ray.wait(running, num_returns=len(running), timeout=0, fetch_local=False)[0]:
            given = self._running.pop(ended)
            self._busy[self.kind(given.job)] -= 1
            try:
                seconds = self._taken(ended, given.job)
            except WorkerLost as loss:
                for source in given.job.inputs.values():  # what was sent may be lost, too
                    self._sent.pop(source.key, None)
                yield given.job, loss
            else:
                for key in given.parents:
                    self._waiting_for[key] -= 1
                    if not self._waiting_for[key]:
                        self._sent.pop(key, None)
                yield given.job, seconds

    def end(self) -> None:
        """Ends what still runs, and has every node remove what it was sent."""
        if not ray.is_initialized():
            return
        for given in self._running:
            ray.cancel(given, force=True)
        self._running.clear()
        self._sent.clear()
        if "_shared" in self.__dict__:
            with suppress(UndertoneError):  # a node that is gone has nothing to remove
                self._cluster.asked(node.clean, ray.get_runtime_context().get_job_id())

    @cached_property
    def _make(self) -> Any:
        """What is sent to the cluster once, and called for each job. Lost jobs are given again here, not by Ray."""
        return ray.remote(max_retries=0)(node.make)

    @cached_property
    def _shared(self) -> bool:
        """Whether every node sees the store. Before the first job is given, what no node can do is refused."""
        most = max(one.memory for one in self._cluster.nodes)
        for job in self._jobs:
            if (wanted := self._needs(job)["memory"]) > most:
                raise UndertoneError(
                    f"A job of the {job.stage.name} stage needs {wanted / 1e9:,.0f} GB of memory, and no node of the "
                    f"Ray cluster has more than {most / 1e9:,.0f} GB: add a larger one."
                )
        seen = self._cluster.seen_by_all(self._store)
        return seen if self._seen_by_all is None else self._seen_by_all

    def _needs(self, job: Job) -> dict[str, Any]:
        """Returns what a job is given. It needs no accelerator where the cluster has none."""
        base, device = job.base, self.kind(job)
        memory = max(LEAST_MEMORY, COPIES * weights(base.path) if base else 0)
        return {"num_cpus": 1, "num_gpus": int(device), "memory": memory, "runtime_env": surroundings(device)}

    def _parcel(self, source: Folder) -> Any:
        """Returns a reference to an input, which is put into the object store at its first use."""
        if source.key not in self._sent:
            self._sent[source.key] = ray.put(packed(source.path))
        return self._sent[source.key]

    def _taken(self, ended: Any, job: Job) -> float:
        """Returns the seconds that a job took, once its artifact is in the store.

        Raises:
            WorkerLost: its worker or its node is gone, or what it was sent.
            UndertoneError: its stage failed.
        """
        stage = job.stage.name
        try:
            said, made = ray.get(ended)
        except (NodeDiedError, LocalRayletDiedError, ObjectLostError, RaySystemError) as error:
            raise WorkerLost(f"A node was lost in the {stage} stage", blameless=True) from error
        except OutOfMemoryError as error:
            raise WorkerLost(f"A worker {LOSSES['MemoryError']} in the {stage} stage") from error
        except WorkerCrashedError as error:
            raise WorkerLost(f"A worker was killed in the {stage} stage") from error
        except RayTaskError as error:
            if isinstance(error.cause, ObjectLostError):
                raise WorkerLost(f"What the {stage} stage was sent was lost", blameless=True) from error
            raise RuntimeError(f"the {stage} stage failed on a node\n{error}") from None
        except RayError as error:
            why = " ".join(str(error).split())[:200]
            raise UndertoneError(f"Ray could not start a job of the {stage} stage ({why}).") from None
        if loss := LOSSES.get(said.get("kind")):
            raise WorkerLost(f"A worker {loss} in the {stage} stage")
        seconds = seconds_of(said, stage)
        if made is not None:
            self._store.receive(job, made)
        else:
            self._seen(job)
        return seconds

    def _seen(self, job: Job) -> None:
        """Waits until an artifact on a shared disk is seen here.

        Raises:
            UndertoneError: it is not.
        """
        end = time.monotonic() + LATE
        while not self._store.has(job):
            if time.monotonic() > end:
                raise UndertoneError(f"{self._store.folder(job)} was written by a node, and is not seen here.")
            time.sleep(0.1)
