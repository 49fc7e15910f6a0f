"""The jobs of one run on a Ray cluster: handed over, waited for, and their artifacts taken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayError,
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
from undertone.engine.progress import watcher
from undertone.engine.store import Folder, Job, Store
from undertone.engine.workers import LOSSES, seconds_of
from undertone.errors import UndertoneError

AHEAD, LEAST_AHEAD = 2, 32
"""Jobs that are handed over for each place, and in all: those that wait there save a place from waiting for them."""
COPIES, LEAST_MEMORY = 4, 500 * 10**6
"""A job is taken to need the memory of so many copies of its base, and at least so many bytes."""
LATE = 60.0
"""Most seconds after which what a node wrote to a shared disk is seen here; and seconds without any finished job after
which it is looked whether a node is there for them."""
BLAMELESS = 0.25
"""How much a job is to blame for the loss of a whole node."""
FULL = "is full; free some space, or give it more memory, and give the same command again: finished work is kept."


class RayCrew:
    """The jobs of one run."""

    patience = 4  # other work on the cluster may end a worker, too

    def __init__(self, cluster: Connection, jobs: Sequence[Job], store: Store, shared: bool | None) -> None:
        self._cluster, self._jobs, self._store, self._wanted = cluster, jobs, store, shared
        self._running = dict[Any, Job]()
        self._busy = Counter[bool]()
        self._sent = dict[str, Any]()
        self._waiting_for = Counter(source.key for job in jobs for source in job.inputs.values())
        self._told = False

    def kind(self, job: Job) -> bool:
        """Returns whether a job is made on an accelerator."""
        return on_device(job) and any(one.accelerators for one in self._cluster.nodes)

    def left(self, job: Job) -> int:
        """Returns how many jobs of this kind can be made at a time."""
        return len(self._cluster.places(job))

    def give(self, job: Job) -> bool:
        """Hands a job to the cluster; returns False if enough of its kind are there.

        Raises:
            UndertoneError: at the first job, if the cluster cannot do the work; the object store is full.
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
        making = self._on_accelerator if kind else self._on_core
        self._running[making.options(memory=self._memory(job)).remote(order)] = job
        self._busy[kind] += 1
        return True

    def answers(self) -> Iterator[tuple[Job, float | WorkerLost]]:
        """Waits until a job has ended, and takes its artifact."""
        running = list(self._running)
        while not ray.wait(running, timeout=LATE, fetch_local=False)[0]:
            self._look_for_nodes()
        for ended in ray.wait(running, num_returns=len(running), timeout=0, fetch_local=False)[0]:
            job = self._running.pop(ended)
            self._busy[self.kind(job)] -= 1
            try:
                seconds = self._taken(ended, job)
            except WorkerLost as loss:
                if loss.blame < 1:  # what was sent may be lost, too
                    for source in job.inputs.values():
                        self._sent.pop(source.key, None)
                yield job, loss
            else:
                for source in job.inputs.values():
                    self._waiting_for[source.key] -= 1
                    if not self._waiting_for[source.key]:
                        self._sent.pop(source.key, None)
                yield job, seconds

    def end(self) -> None:
        """Ends what still runs, and has every node remove what it was sent."""
        if "_shared" not in self.__dict__ or not ray.is_initialized():
            return
        given = list(self._running)
        for one in given:
            ray.cancel(one, force=True)
        if given:
            ray.wait(given, num_returns=len(given), timeout=10, fetch_local=False)
        self._running.clear()
        self._sent.clear()
        self._cluster.asked(node.clean, ray.get_runtime_context().get_job_id())

    # Lost jobs are given again here, not by Ray. Ray says which accelerator a process has before each of its jobs, and
    # a process that has used one cannot change: with an accelerator in the decorator it makes one job and ends.

    @cached_property
    def _on_core(self) -> Any:
        return ray.remote(num_cpus=1, max_retries=0, runtime_env=surroundings())(node.make)

    @cached_property
    def _on_accelerator(self) -> Any:
        return ray.remote(num_cpus=1, num_gpus=1, max_retries=0, runtime_env=surroundings(True))(node.make)

    @cached_property
    def _shared(self) -> bool:
        """Whether every node sees the store. Before the first job is given, what no node can do is refused."""
        self._cluster.look()
        for job in self._jobs:
            if not self._has_room(job):
                raise UndertoneError(
                    f"A job of the {job.stage.name} stage needs {'an accelerator' if self.kind(job) else 'a core'} and "
                    f"{self._memory(job) / 1e9:,.1f} GB of memory, and no node of the Ray cluster has both: add one."
                )
        seen = self._cluster.seen_by_all(self._store)
        return seen if self._wanted is None else self._wanted

    def _has_room(self, job: Job) -> bool:
        """Whether a node of those that were there last could make a job."""
        nodes = (one for one in self._cluster.nodes if one.cores and (one.accelerators or not self.kind(job)))
        return any(one.memory >= self._memory(job) for one in nodes)

    def _memory(self, job: Job) -> int:
        return max(LEAST_MEMORY, COPIES * weights(job.base.path) if job.base else 0)

    def _look_for_nodes(self) -> None:
        """Says once if no node is there that could make any of the jobs that were given."""
        self._cluster.look()
        if not (self._told or any(map(self._has_room, self._running.values()))):
            watcher().warn("No node that could make the next jobs is in the Ray cluster now; they wait for one.")
            self._told = True

    def _parcel(self, source: Folder) -> Any:
        """Returns a reference to an input, which is put into the object store at its first use."""
        if source.key not in self._sent:
            try:
                self._sent[source.key] = ray.put(packed(source.path))
            except (ObjectStoreFullError, OutOfDiskError):
                raise UndertoneError(f"Ray's object store of this machine {FULL}") from None
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
        except (NodeDiedError, LocalRayletDiedError, ObjectLostError) as error:
            raise WorkerLost(f"A node was lost in the {stage} stage", BLAMELESS) from error
        except OutOfMemoryError as error:
            raise WorkerLost(f"A worker {LOSSES['MemoryError']} in the {stage} stage") from error
        except WorkerCrashedError as error:
            raise WorkerLost(f"A worker was killed in the {stage} stage") from error
        except (ObjectStoreFullError, OutOfDiskError):
            raise UndertoneError(f"Ray's object store of a node {FULL}") from None
        except RayError as error:
            if isinstance(error, RayTaskError) and not isinstance(error.cause, RayError):
                raise RuntimeError(f"the {stage} stage failed on a node\n{error}") from None
            why = " ".join(str(error).split())[-300:]
            raise UndertoneError(f"Ray could not do a job of the {stage} stage (...{why}).") from None
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
