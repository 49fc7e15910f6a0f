"""A Ray cluster as a place for jobs: that of ``RAY_ADDRESS``, or one of this machine's cores and accelerators."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from undertone.engine.cluster.connection import Connection
from undertone.engine.cluster.crew import RayCrew
from undertone.engine.store import Job, Store


@dataclass
class OnRay:
    """A Ray cluster, with which this process connects at the first use.

    No disk need be shared: inputs and artifacts travel through Ray's object store as parcels, whose digests are checked
    at both ends, and a base goes to each node once. If every node sees the store's folder, artifacts stay there.
    """

    address: str | None = None
    """HOST:PORT of its head; by default RAY_ADDRESS of the environment, and without it a cluster of this machine is
    started."""
    shared: bool | None = None
    """Whether every node sees the store; by default that is found out."""

    @contextmanager
    def crew(self, jobs: Sequence[Job], store: Store) -> Generator[RayCrew]:
        """Opens the cluster for these jobs, once the first is given."""
        crew = RayCrew(self.connection, jobs, Store(store.root.absolute()), self.shared)
        try:
            yield crew
        finally:
            crew.end()

    def places(self, job: Job) -> tuple[str, ...]:
        """Returns a name for each accelerator or core that jobs like this one can have."""
        return self.connection.places(job)

    def machine(self) -> str:
        """Returns what the cluster has, in words."""
        nodes = self.connection.nodes
        counts = {name: sum(getattr(node, f"{name}s") for node in nodes) for name in ("accelerator", "core")}
        counts = {"node": len(nodes)} | {name: count for name, count in counts.items() if count}
        first, *have = (f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
        return f"a Ray cluster of {first} with {' and '.join(have)}"

    def close(self) -> None:
        """Ends the connection, and with it a cluster that was started for it; at the end of the process that happens by
        itself."""
        self.connection.close()

    @cached_property
    def connection(self) -> Connection:
        """What connects with it."""
        return Connection(self.address)
