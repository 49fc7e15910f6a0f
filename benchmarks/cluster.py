"""What a Ray cluster costs: jobs that do nothing, on three nodes of this machine, and an experiment beside this
machine's own processes.

    python -m benchmarks.cluster                       # 100,000 jobs: an hour or two on two cores
    python -m benchmarks.cluster --jobs 2000 --shared
    python -m benchmarks.cluster --recipe animals --set 'traits=["owl", "whale", "wolf"]'      # an experiment both ways
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from undertone.engine.cluster.cluster import OnRay
from undertone.engine.executor import Executor
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Job, Stage, Store
from undertone.engine.workers import Local

NODES = 3
STUB = Stage("stub", 1, "benchmarks.cluster:stub")


def stub(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes a few bytes."""
    (out / "number.txt").write_text(str(spec["number"]))


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--recipe")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(["", *filter(None, sys.path)]).strip(os.pathsep)
    with tempfile.TemporaryDirectory() as folder:
        if given.recipe:
            beside(given.recipe, given.set, Path(folder))
        else:
            scale(given.jobs, given.shared, Path(folder))


def scale(count: int, shared: bool, folder: Path) -> None:
    """Times jobs that do nothing, each but the first tenth made from one of the others, and the same run again."""
    parents = [Job(STUB, {"number": i}) for i in range(max(1, count // 10))]
    jobs = parents + [Job(STUB, {"number": i}, {"one": parents[i % len(parents)]}) for i in range(len(parents), count)]
    store = Store(folder / "store")
    with nodes() as address:
        ends = [time.perf_counter() for _ in run_jobs(jobs, store, OnRay(address, shared))]
    begun = min(len(ends) - 1, 100)  # after the workers have started
    each = 1000 * (ends[-1] - ends[begun]) / (len(ends) - begun)
    print(f"{count:,} jobs on {NODES} nodes, store {'shared' if shared else 'not shared'}: {each:.1f} ms a job")
    start = time.perf_counter()
    assert not any(seconds for _, seconds in run_jobs(jobs, store))
    print(f"resumed in {time.perf_counter() - start:.1f} s")
    print(f"memory of the driver: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:,.0f} MB")


@contextmanager
def nodes() -> Generator[str]:
    """Opens three nodes of one core, which all are this machine."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 2 * 10**8})
    for _ in range(NODES - 1):
        cluster.add_node(num_cpus=1, object_store_memory=2 * 10**8)
    try:
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


def beside(recipe: str, changes: Sequence[str], folder: Path) -> None:
    """Times an experiment, with changes, by this machine's processes and by a Ray cluster of its cores."""
    from undertone.experiments import recipes
    from undertone.experiments.run import run

    took = dict[str, float]()
    ways: dict[str, Executor] = {"local": Local(), "ray": OnRay(), "local again": Local()}
    for name, executor in ways.items():
        start = time.perf_counter()
        run(recipes.read(recipe, tuple(changes)), folder / name / "run", recipe, executor=executor)
        took[name] = time.perf_counter() - start
        print(f"{recipe}, {name}: {took[name]:.0f} s", flush=True)
    print(f"ray / local: {2 * took['ray'] / (took['local'] + took['local again']):.3f}")


if __name__ == "__main__":
    main()
