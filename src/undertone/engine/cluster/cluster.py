"""A Ray cluster as a place for jobs: that of ``RAY_ADDRESS``, or one of this machine's cores and accelerators."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from secrets import token_hex
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from undertone.engine import environment
from undertone.engine.cluster.crew import RayCrew, surroundings
from undertone.engine.cluster.node import differing
from undertone.engine.devices import devices, on_device
from undertone.engine.store import Job, Store
from undertone.engine.workers import cores
from undertone.errors import UndertoneError

ADDRESS = "RAY_ADDRESS"
PATIENCE = 60.0
"""Seconds within which a node must answer."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster."""

    id: str
    address: str
    cores: int
    accelerators: int
    memory: int
    """Bytes that its jobs may take together."""


@dataclass
class OnRay:
    """A Ray cluster, with which this process connects at the first use.

    No disk need be shared: inputs and artifacts travel through Ray's object store as parcels, whose digests are checked
    at both ends, and a base goes to each node once. If every node sees the store's folder, artifacts stay there.
    """

    address: str | None = None
    """By default that of the environment; without one, a cluster of this machine is started."""
    shared: bool | None = None
    """Whether every node sees the store; by default that is found out."""

    @contextmanager
    def crew(self, jobs: Sequence[Job], store: Store) -> Generator[RayCrew]:
        """Opens the cluster for these jobs, once the first is given."""
        crew = RayCrew(self, jobs, Store(store.root.absolute()))
        try:
            yield crew
        finally:
            crew.end()

    def places(self, job: Job) -> tuple[str, ...]:
        """Returns a name for each accelerator or core that jobs like this one can have."""
        accelerators = sum(node.accelerators for node in self.nodes) if on_device(job) else 0
        return ("accelerator",) * accelerators or ("",) * sum(node.cores for node in self.nodes)

    def machine(self) -> str:
        """Returns what the cluster has, in words."""
        counts = {name: sum(getattr(node, f"{name}s") for node in self.nodes) for name in ("accelerator", "core")}
        counts = {"node": len(self.nodes)} | {name: count for name, count in counts.items() if count}
        nodes, *have = (f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
        return f"a Ray cluster of {nodes} with {' and '.join(have)}"

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that there are at the first use.

        Raises:
            UndertoneError: there is no cluster at the address, or it has no cores.
        """
        self._connect()
        found = tuple(_node(one["NodeID"], one["NodeManagerAddress"], one["Resources"]) for one in alive())
        if not any(node.cores for node in found):
            raise UndertoneError("No node of the Ray cluster has cores for jobs: start nodes with --num-cpus.")
        return found

    def seen_by_all(self, store: Store) -> bool:
        """Returns whether every node sees the folder of a store, and refuses nodes that cannot do the work. What killed
        runs left on them is removed.

        Raises:
            UndertoneError: a node does not answer, or has not this package, or other versions of libraries.
        """
        token = store.root / f".seen-{token_hex(8)}"
        token.touch()
        try:
            told = self.asked(_told(), str(token))
        finally:
            token.unlink()
        for node, found in zip(self.nodes, told, strict=True):
            if "missing" in found:
                raise UndertoneError(
                    f"The node {node.address} of the Ray cluster cannot import Undertone ({found['missing']}): install "
                    "it there, as here."
                )
            if other := differing(found["versions"], environment.versions()):
                raise UndertoneError(f"The node {node.address} of the Ray cluster has {other}: install the same there.")
        return all(found["sees"] for found in told) if self.shared is None else self.shared

    def asked(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Calls a function on every node, and returns what each says.

        Raises:
            UndertoneError: one does not answer.
        """
        # In the surroundings of a job, so that the process that answers is one that makes jobs afterwards.
        asking, sent = ray.remote(num_cpus=0, max_retries=0, runtime_env=surroundings())(function), list[Any]()
        for node in self.nodes:
            there = NodeAffinitySchedulingStrategy(node.id, soft=False)
            sent.append(asking.options(scheduling_strategy=there).remote(*arguments))
        found = list[Any]()
        for node, one in zip(self.nodes, sent, strict=True):
            try:
                found.append(ray.get(one, timeout=PATIENCE))
            except ray.exceptions.RayError as error:
                why = " ".join(str(error).split())[:200]
                raise UndertoneError(f"The node {node.address} of the Ray cluster does not answer ({why}).") from None
        return found

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        address = self.address or os.environ.get(ADDRESS)
        own: dict[str, Any] = (
            {} if address else {"num_cpus": cores(), "num_gpus": len(devices()), "include_dashboard": False}
        )
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            why = " ".join(str(error).split())[:200]
            where = f"There is no Ray cluster at {address}" if address else "Ray cannot be started on this machine"
            raise UndertoneError(f"{where} ({why}); start one with ray start, or correct {ADDRESS}.") from None


def alive() -> list[dict[str, Any]]:
    """Returns what Ray tells of the nodes that are there now."""
    return [one for one in ray.nodes() if one["Alive"]]


def _node(name: str, address: str, has: dict[str, float]) -> Node:
    return Node(name, address, int(has.get("CPU", 0)), int(has.get("GPU", 0)), int(has.get("memory", 0)))


def _told() -> Callable[[str], dict[str, Any]]:
    """Returns what a node tells of itself; a function that is sent as it stands, so that it runs where this package is
    missing."""

    def told(token: str) -> dict[str, Any]:
        import os

        try:
            from undertone.engine import environment
            from undertone.engine.cluster.node import clean
        except ImportError as error:
            return {"missing": str(error)}
        clean()
        return {"versions": environment.versions(), "sees": os.path.exists(token)}

    return told
