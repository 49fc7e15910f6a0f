"""The connection with a Ray cluster, and what its nodes are."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from threading import current_thread, main_thread
from typing import Any, ClassVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from undertone.engine import environment
from undertone.engine.cluster.node import differing, surroundings
from undertone.engine.devices import devices, on_device
from undertone.engine.store import Job, Store
from undertone.engine.workers import cores
from undertone.errors import UndertoneError

ADDRESS, LOCAL = "RAY_ADDRESS", "local"
REACHED, PATIENCE = 30.0, 60.0
"""Seconds within which a cluster's address must be reached, and within which a node must answer."""


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
class Connection:
    """A Ray cluster, with which this process connects at the first use."""

    address: str | None
    """By default that of the environment; without one, a cluster of this machine is started."""
    _nodes: tuple[Node, ...] = field(default=(), init=False)
    _own: bool = field(default=False, init=False)
    """Whether this is what connected the process."""
    _at: ClassVar[str] = ""
    """The address that connected it, by which Ray's own may not be known."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that there were when :meth:`look` was called last."""
        return self._nodes or self.look()

    def look(self) -> tuple[Node, ...]:
        """Returns the nodes that there are now.

        Raises:
            UndertoneError: there is no cluster at the address, or it has no cores.
        """
        self._connect()
        alive = (one for one in ray.nodes() if one["Alive"])
        found = tuple(_node(one["NodeID"], one["NodeManagerAddress"], one["Resources"]) for one in alive)
        if not any(node.cores for node in found):
            raise UndertoneError("No node of the Ray cluster has cores for jobs: start nodes with --num-cpus.")
        self._nodes = found
        return found

    def places(self, job: Job) -> tuple[str, ...]:
        """Returns a name for each accelerator or core that jobs like this one can have."""
        accelerators = sum(node.accelerators for node in self.nodes) if on_device(job) else 0
        return ("accelerator",) * accelerators or ("",) * sum(node.cores for node in self.nodes)

    def seen_by_all(self, store: Store) -> bool:
        """Returns whether every node sees the folder of a store and can write there, and refuses nodes that cannot do
        the work. What killed runs left on them is removed.

        Raises:
            UndertoneError: a node does not answer, or has not this package, or other versions of libraries.
        """
        token = store.root / f".seen-{token_hex(8)}"
        token.touch()
        try:
            told = self.asked(_told(), str(token))
        finally:
            token.unlink()
        for node, found in told.items():
            if isinstance(found, Exception):
                why = " ".join(str(found).split())[:200]
                raise UndertoneError(f"The node {node.address} of the Ray cluster does not answer ({why}).")
            if "missing" in found:
                raise UndertoneError(
                    f"The node {node.address} of the Ray cluster cannot import Undertone ({found['missing']}): install "
                    "it there, as here."
                )
            if other := differing(found["versions"], environment.versions()):
                raise UndertoneError(f"The node {node.address} of the Ray cluster has {other}: install the same there.")
        return all(found["sees"] for found in told.values())

    def asked(self, function: Callable[..., Any], *arguments: Any) -> dict[Node, Any]:
        """Calls a function on every node that there is now. Returns what each says; of one that does not answer, an
        exception."""
        # In the surroundings of a job, so that the process that answers is one that makes jobs afterwards.
        asking, sent = ray.remote(num_cpus=0, max_retries=0, runtime_env=surroundings())(function), dict[Node, Any]()
        for node in self.look():
            there = NodeAffinitySchedulingStrategy(node.id, soft=False)
            sent[node] = asking.options(scheduling_strategy=there).remote(*arguments)
        found = dict[Node, Any]()
        for node, one in sent.items():
            try:
                found[node] = ray.get(one, timeout=PATIENCE)
            except ray.exceptions.RayError as error:
                found[node] = error
        return found

    def close(self) -> None:
        """Ends the connection, and with it a cluster that was started for it."""
        if self._own and ray.is_initialized():
            ray.shutdown()
            Connection._at = ""
        self._own = False

    def _connect(self) -> None:
        address = self.address or os.environ.get(ADDRESS) or LOCAL
        if ray.is_initialized():
            there = {ray.get_runtime_context().gcs_address, Connection._at}
            if self.address and self.address not in {LOCAL, "auto", *there}:
                where = " or ".join(sorted(filter(None, there)))
                raise UndertoneError(f"This process works with the Ray cluster at {where}, so not with {address}, too.")
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        own: dict[str, Any] = {}
        if address == LOCAL:
            own = {"num_cpus": cores(), "num_gpus": len(devices()), "include_dashboard": False}
        try:
            if address not in (LOCAL, "auto"):
                _reached(address)
            with _own_signals():
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
            self._own, Connection._at = True, address
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            why = " ".join(str(error).split())[:200]
            raise UndertoneError(
                f"Ray cannot be used at {address} ({why}): start a cluster with ray start on this machine too, and set "
                f"{ADDRESS} to the HOST:PORT of its head."
            ) from None


def _reached(address: str) -> None:
    """Raises an error if no cluster answers at an address; Ray itself tries for many minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "://" in address:
        raise ValueError("it is no HOST:PORT")
    socket.create_connection((host, int(port)), timeout=REACHED).close()
    asking = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        asked = subprocess.run(asking, capture_output=True, text=True, timeout=REACHED)
    except subprocess.TimeoutExpired:
        raise ConnectionError("what listens there is no Ray cluster") from None
    if "AuthenticationError" in asked.stderr:
        raise UndertoneError(
            f"The Ray cluster at {address} wants a token: set RAY_AUTH_MODE=token, and put the token of its head into "
            "~/.ray/auth_token here."
        )
    if asked.returncode:
        raise ConnectionError("what listens there is no sound Ray cluster")


@contextmanager
def _own_signals() -> Generator[None]:
    """Keeps how this process ends on SIGTERM, which Ray would change."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)


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
        return {"versions": environment.versions(), "sees": os.access(token, os.W_OK)}

    return told
