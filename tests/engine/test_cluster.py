"""Jobs on a Ray cluster: three nodes on one machine, which share nothing, or a store."""

import base64
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from tests.helpers.extent import LONG
from tests.helpers.trials import TWO_ARMS
from undertone.cli import main
from undertone.engine import environment
from undertone.engine.cluster import crew
from undertone.engine.cluster import node as there
from undertone.engine.cluster.cluster import OnRay
from undertone.engine.cluster.connection import Connection
from undertone.engine.cluster.connection import _told as told_by_a_node
from undertone.engine.executor import WorkerLost
from undertone.engine.manifest import Manifest
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.trial.results import Results

pytestmark = pytest.mark.slow

KILLS = 30
in_long = pytest.mark.skipif(not LONG, reason="in make test-long")
HELPERS = str(Path(__file__).parents[1] / "helpers")


@pytest.fixture(scope="module")
def surrounded() -> Iterator[None]:
    """Nodes find the helpers' stages."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(HELPERS)
        patched.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture(scope="module")
def cluster(surrounded: None) -> Iterator[Cluster]:
    """A head without cores, and two nodes with one core each."""
    made = head()
    for _ in range(2):
        node(made)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def head() -> Cluster:
    """A head without cores, which sees soon that a node is gone."""
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 2}
    arguments = {"num_cpus": 0, "object_store_memory": 10**8, "_system_config": soon}
    return Cluster(initialize_head=True, head_node_args=arguments)


def node(cluster: Cluster) -> Any:
    """One node more."""
    return cluster.add_node(num_cpus=1, memory=2 * 10**9, object_store_memory=10**8)


@pytest.fixture
def base(tmp_path: Path) -> Folder:
    """A folder that is no artifact, with a folder in it."""
    (tmp_path / "base" / "inner").mkdir(parents=True)
    for name in ("text", "inner/text"):
        (tmp_path / "base" / name).write_text("base ")
    return Folder(tmp_path / "base", "b" * 64, "base")


def stage(name: str) -> Stage:
    return Stage(name, 1, f"faulty:{name}")


def chain(base: Folder, tmp_path: Path, count: int = 3, seconds: float = 0.0) -> list[Job]:
    """Parents from the base, each with a child from both."""
    spec = {"noted": str(tmp_path / "noted"), "seconds": seconds}
    parents = [Job(stage("joined"), spec | {"text": f"p{i} "}, {"base": base}) for i in range(count)]
    children = [
        Job(stage("joined"), spec | {"text": f"c{i} "}, {"base": base, "one": one}) for i, one in enumerate(parents)
    ]
    return [*parents, *children]


def noted(tmp_path: Path) -> list[str]:
    """What was made, once for each time."""
    return [line.split()[0] for line in (tmp_path / "noted").read_text().splitlines()]


@pytest.mark.parametrize("shared", [False, None])
def test_artifacts_have_the_bits_of_a_local_run_whether_a_disk_is_shared_or_not(
    shared: bool | None, cluster: Cluster, base: Folder, tmp_path: Path
) -> None:
    jobs, told = chain(base, tmp_path), list[str]()
    away, here = Store(tmp_path / "away"), Store(tmp_path / "here")
    assert len(list(run_jobs(jobs, here, Local(1)))) == len(jobs)
    seconds = {job.key: took for job, took in run_jobs(jobs, away, OnRay(cluster.address, shared), told.append)}
    assert len(seconds) == len(jobs) and all(seconds.values()) and not told
    for job in jobs:
        one, other = (Manifest.read(store.folder(job)) for store in (here, away))
        assert one.content == other.content and other.made_with.items() >= environment.versions().items()
        assert away.sound(job, told.append) and not told
    assert (away.folder(jobs[-1]) / "text").read_text() == "c2 base base p2 base base "
    assert sorted(noted(tmp_path)) == sorted([job.spec["text"].strip() for job in jobs] * 2)
    assert [seconds for _, seconds in run_jobs(jobs, away, OnRay(cluster.address))] == [0.0] * len(jobs)
    assert sorted(path.name for path in away.root.iterdir()) == sorted(away.folder(job).name for job in jobs)


def test_a_base_goes_to_a_node_once_and_nothing_is_left_there(
    cluster: Cluster, base: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, put = list[str](), ray.put

    def noted_put(parcel: Any) -> Any:
        sent.append(parcel.name)
        return put(parcel)

    monkeypatch.setattr(ray, "put", noted_put)
    on = OnRay(cluster.address, shared=False)
    jobs = chain(base, tmp_path, 4)
    assert len(list(run_jobs(jobs, Store(tmp_path / "store"), on))) == len(jobs)
    assert sent.count("base") == 1 and len(sent) == 1 + 4
    ours = {node.id[:12] for node in on.connection.nodes}
    assert [name for name in folders_left() if name.split("-")[2] in ours] == []


def folders_left() -> list[str]:
    """What nodes keep of any run."""
    return [path.name for path in Path(tempfile.gettempdir()).glob(f"{there.OURS}*")]


def test_a_cluster_is_told_in_words(cluster: Cluster) -> None:
    on = OnRay(cluster.address)
    assert on.machine() == "a Ray cluster of 3 nodes with 2 cores"
    assert on.places(Job(stage("written"), {})) == ("", "")


@in_long
def test_an_experiment_has_the_same_artifacts_on_a_cluster(
    cluster: Cluster, bases: Path, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.chdir(bases)
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)
    assert main(["run", str(tmp_path / "two-arms.toml"), "--on", "ray", "--out", str(tmp_path / "run")]) == 0
    here, away = (Results.load(folder / "run" / "report.json") for folder in (ran, tmp_path))
    assert here.artifacts == away.artifacts


def test_a_run_that_is_stopped_ends_its_jobs(cluster: Cluster, base: Folder, tmp_path: Path) -> None:
    jobs = [*chain(base, tmp_path, 1), *chain(base, tmp_path / "long", 2, seconds=60)]
    running = run_jobs(jobs, Store(tmp_path / "store"), OnRay(cluster.address, shared=False))
    next(running)
    end = time.monotonic() + 20
    running.close()
    while makers():
        assert time.monotonic() < end, "a job goes on"
        time.sleep(0.1)


# --- refusals --------------------------------------------------------------------------------------------------------


def refused(on: OnRay, jobs: list[Job], tmp_path: Path) -> str:
    """Why no job is made."""
    with pytest.raises(UndertoneError) as said:
        list(run_jobs(jobs, Store(tmp_path / "store"), on))
    assert not list((tmp_path / "store").iterdir()) and "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://here:10001", "nohost.invalid:6379", "here"])
def test_an_address_without_a_cluster_is_refused_soon(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", address)
    said = refused(OnRay(), [Job(stage("written"), {"text": "x"})], tmp_path)
    assert said.startswith(f"Ray cannot be used at {address} (") and "set RAY_ADDRESS to the HOST:PORT" in said


def test_a_cluster_may_be_named_in_two_ways_but_a_process_has_one(cluster: Cluster) -> None:
    ray.shutdown()
    local = f"127.0.0.1:{cluster.address.rpartition(':')[2]}"
    first = OnRay(local)
    assert first.connection.look() == first.connection.look() == OnRay(local).connection.look()
    assert OnRay(cluster.address).machine() == first.machine()
    with pytest.raises(UndertoneError, match=r"works with the Ray cluster at .* so not with 127\.0\.0\.1:1, too"):
        OnRay("127.0.0.1:1").machine()


def test_nodes_with_other_versions_are_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = environment.versions()
    monkeypatch.setattr(environment, "versions", lambda: own | {"torch": "9.9"})
    said = refused(OnRay(cluster.address), [Job(stage("written"), {"text": "x"})], tmp_path)
    assert f" of the Ray cluster has torch {own['torch']} instead of 9.9: install the same there." in said


def test_a_node_that_joins_later_with_other_versions_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    order = there.Order({}, {}, frozenset(), None, environment.versions() | {"torch": "9.9"})
    OnRay(cluster.address).machine()  # connects
    answer, made = ray.get(ray.remote(there.make).remote(order))
    assert made is None and "instead of 9.9: install the same there" in answer["error"]


def test_a_node_without_the_package_says_so() -> None:
    sent = base64.b64encode(ray.cloudpickle.dumps(told_by_a_node())).decode()
    code = (
        "import base64, sys; sys.modules['undertone'] = None\n"
        f"from ray import cloudpickle; print(cloudpickle.loads(base64.b64decode('{sent}'))('nowhere'))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "{'missing': " in said.stdout, said.stderr


def test_nodes_without_the_package_are_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"missing": "No module named 'undertone'"}
    monkeypatch.setattr(Connection, "asked", lambda self, *_: {one: told for one in self.look()})
    said = refused(OnRay(cluster.address), [Job(stage("written"), {"text": "x"})], tmp_path)
    assert "cannot import Undertone (No module named 'undertone'): install it there, as here." in said


def test_a_job_that_no_node_has_the_memory_for_is_refused_before_any_is_made(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LEAST_MEMORY", 10**13)
    said = refused(OnRay(cluster.address), [Job(stage("written"), {"text": "x"})], tmp_path)
    assert "needs a core and 10,000.0 GB of memory, and no node of the Ray cluster has both" in said


# --- faults ----------------------------------------------------------------------------------------------------------


@in_long
def test_a_job_whose_worker_is_killed_is_tried_again_and_one_that_always_is_ends_the_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew.RayCrew, "patience", 2)
    store, told = Store(tmp_path / "store"), list[str]()
    on = OnRay(cluster.address, shared=False)
    jobs = [Job(stage("killed_once"), {"marker": str(tmp_path / "marker")}), Job(stage("written"), {"text": "x"})]
    assert len(list(run_jobs(jobs, store, on, told.append))) == 2
    assert told == ["A worker was killed in the killed_once stage; trying once more with at most 2 at a time."]
    with pytest.raises(UndertoneError, match="A worker was killed in the killed stage, twice; finished work is kept"):
        list(run_jobs([Job(stage("killed"), {})], store, on))
    assert all(store.sound(job, told.append) for job in jobs)


def test_a_full_disk_of_a_node_ends_the_run_in_a_sentence_that_names_it(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match=r"The disk of .* is full; free some space .* \(on the node [\d.]+\)"):
        list(run_jobs([Job(stage("unwritable"), {})], Store(tmp_path / "store"), OnRay(cluster.address, shared=False)))


@in_long
def test_an_artifact_that_is_lost_with_its_node_is_made_again(surrounded: None, tmp_path: Path) -> None:
    ray.shutdown()
    made = head()
    try:
        first, on = node(made), OnRay(made.address, shared=False)
        job, store = Job(stage("written"), {"text": "x" * 1000}), Store(tmp_path / "store")  # too large for an answer
        store.open()
        with on.crew([job], store) as opened:
            assert opened.give(job)
            ray.wait(list(opened._running), fetch_local=False)
            made.remove_node(first, allow_graceful=False)
            node(made)
            [(_, loss)] = opened.answers()
            assert isinstance(loss, WorkerLost) and loss.blame < 1 and not store.has(job)
            assert opened.give(job)
            assert [type(seconds) for _, seconds in opened.answers()] == [float]
        assert store.sound(job, print)
    finally:
        ray.shutdown()
        made.shutdown()


@in_long
def test_a_driver_that_is_killed_goes_on_from_what_its_store_has(
    cluster: Cluster, bases: Path, ran: Path, tmp_path: Path
) -> None:
    (tmp_path / "two-arms.toml").write_text(TWO_ARMS)
    command = [sys.executable, "-m", "undertone", "run", str(tmp_path / "two-arms.toml"), "--on", "ray"]
    around = os.environ | {"RAY_ADDRESS": cluster.address}
    before = dict[Path, int]()
    for least in (2, 6, None):
        driver = subprocess.Popen([*command, "--out", str(tmp_path / "run")], cwd=bases, env=around)
        while least and len(artifacts(tmp_path)) < least:
            assert driver.poll() is None, "it ended by itself"
            time.sleep(0.05)
        if least:
            driver.kill()
        assert driver.wait(300) == (-signal.SIGKILL if least else 0)
        assert before.items() <= artifacts(tmp_path).items(), "what was finished is not made again"
        before = artifacts(tmp_path)
    here, away = (Results.load(folder / "run" / "report.json") for folder in (ran, tmp_path))
    assert here.artifacts == away.artifacts


def artifacts(folder: Path) -> dict[Path, int]:
    """When each finished one was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("store/[!.]*/manifest.json")}


@in_long
@pytest.mark.parametrize("what", ["worker", "node"])
def test_kills_at_random_moments_lose_nothing_and_nothing_is_made_twice_but_what_was_lost(
    what: str, surrounded: None, base: Folder, tmp_path: Path
) -> None:
    store, told, rng, killed = Store(tmp_path / "store"), list[str](), random.Random(what), 0
    jobs = chain(base, tmp_path, 4 * KILLS, seconds=0.3)
    ray.shutdown()
    made = head()
    nodes = [node(made) for _ in range(2)]
    try:
        finished = run_jobs(jobs, store, OnRay(made.address, shared=False), told.append)
        for done, _ in enumerate(finished, start=1):
            if done % 4 == 1 and killed < KILLS:
                killed += 1
                time.sleep(rng.uniform(0, 0.3))
                if what == "worker":
                    kill_a_worker(rng)
                else:
                    made.remove_node(nodes.pop(rng.randrange(2)), allow_graceful=False)
                    nodes.append(node(made))
    finally:
        ray.shutdown()
        made.shutdown()
    assert killed == KILLS and all(store.sound(job, told.append) for job in jobs)
    again = len(noted(tmp_path)) - len(jobs)
    print(f"{killed} kills, {len(told)} losses told, {again} made again")
    assert again <= len(told), "made twice without having been lost"


def makers() -> list[int]:
    """The processes that make jobs now."""
    found = subprocess.run(["pgrep", "-f", "^ray::make"], capture_output=True, text=True).stdout
    return list(map(int, found.split()))


def kill_a_worker(rng: random.Random) -> None:
    """Kills a process that makes jobs."""
    if found := makers():
        os.kill(rng.choice(found), signal.SIGKILL)
