"""What a node of a cluster does: makes the artifact of one job from what was sent to it, and sends it back."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock

from undertone.engine import environment, worker
from undertone.engine.devices import VISIBLE
from undertone.engine.disk import FULL, errno_of, refusal
from undertone.engine.parcels import Parcel, packed, unpack
from undertone.engine.store import Job, Store
from undertone.engine.workers import ENVIRONMENT
from undertone.errors import UndertoneError

OURS, LOCK = f"undertone-{os.getuid()}-", ".in-use"
"""How the names of nodes' folders begin, and the file in each that every process that uses the folder has locked."""


@dataclass(frozen=True)
class Order:
    """A job as it travels."""

    job: Mapping[str, Any]
    """Its JSON form; its inputs are folders."""
    sent: Mapping[str, Any]
    """A reference to the parcel of each input that is sent, by the input's name."""
    kept: frozenset[str]
    """Names of inputs that a node keeps until the end of the run: those that are no artifacts."""
    shared: str | None
    """The store, where every node sees it; artifacts are then read and written there."""
    versions: Mapping[str, str]
    """The versions of libraries that all nodes must have."""


def surroundings(device: bool = False) -> dict[str, Any]:
    """Returns the environment of a job's process. Ray says there which accelerator it has; others see none."""
    return {"env_vars": ENVIRONMENT if device else ENVIRONMENT | {VISIBLE: ""}}


def make(order: Order) -> tuple[dict[str, Any], Parcel | None]:
    """Makes the artifact of a job. Returns what a worker answers, and the artifact unless the store is shared."""
    _prepare()
    if other := differing(environment.versions(), order.versions):
        return _refused(f"the node {address()} has {other}: install the same there"), None
    if order.shared and not Path(order.shared).is_dir():
        return _refused(f"the node {address()} does not see {order.shared}, which the other nodes share"), None
    here = _folder(_run()) / f"job-{os.getpid()}"
    store = Store(Path(order.shared) if order.shared else here / "store")
    try:
        _hold(here.parent)
        shutil.rmtree(here, ignore_errors=True)
        store.root.mkdir(parents=True, exist_ok=True)
        job = _placed(order, store)
        if made := order.shared and store.sound(Job.from_json(job), lambda _: None):
            return {"seconds": made.seconds}, None  # whoever made it ended before it could say so
        said = worker.answer({"store": str(store.root), "job": job})
        if "error" in said:
            said["error"] += f" (on the node {address()})"
        return said, packed(store.folder(Job.from_json(job))) if "seconds" in said and not order.shared else None
    except (OSError, UndertoneError) as error:
        full = errno_of(error) in FULL
        return _refused(f"{refusal(error, here) if full else error} (on the node {address()})"), None
    finally:
        shutil.rmtree(here, ignore_errors=True)


def address() -> str:
    """Returns the address of this node."""
    return str(ray.util.get_node_ip_address())


def differing(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Returns which versions are not as wanted, in words; nothing if all are."""
    pairs = {name: (found.get(name, "missing"), version) for name, version in wanted.items()}
    return ", ".join(f"{name} {has} instead of {other}" for name, (has, other) in pairs.items() if has != other)


def _refused(why: str) -> dict[str, Any]:
    return {"error": why, "kind": "UndertoneError"}


@cache
def _prepare() -> None:
    worker.prepare()


_HELD = dict[Path, int]()
"""The lock file of each folder that this process uses, open and locked."""


def _hold(folder: Path) -> None:
    """Makes a folder, unless it is there, and locks it: one that nobody has locked may be removed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder not in _HELD:
            _HELD[folder] = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(_HELD[folder], fcntl.LOCK_SH)
        if os.fstat(_HELD[folder]).st_nlink:
            return
        os.close(_HELD.pop(folder))  # it was removed before it was locked, or at the end of an earlier run


def _run() -> str:
    return str(ray.get_runtime_context().get_job_id())


def _folder(run: str) -> Path:
    """Where this node keeps what a run sent. Nodes of one machine have folders of their own."""
    return Path(tempfile.gettempdir()) / f"{OURS}{ray.get_runtime_context().get_node_id()[:12]}-{run}"


def clean(run: str = "") -> None:
    """Removes what this node was sent for a run, and what runs that were killed have left on its machine."""
    if run:
        shutil.rmtree(_folder(run), ignore_errors=True)
    for path in Path(tempfile.gettempdir()).glob(f"{OURS}*"):
        with suppress(OSError), (path / LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


def _placed(order: Order, store: Store) -> dict[str, Any]:
    """Unpacks the inputs. Returns the job with their places here."""
    inputs = dict[str, Any]()
    for name, source in order.job["inputs"].items():
        if name not in order.sent:
            inputs[name] = source
            continue
        kept = name in order.kept
        place = _folder(_run()) / source["key"] if kept else store.root
        path = place / Path(str(source["path"])).name
        if not path.exists():
            _unpacked(order.sent[name], path)
        inputs[name] = {**source, "path": str(path)}
    return {**order.job, "inputs": inputs}


def _unpacked(reference: Any, path: Path) -> None:
    """Unpacks a parcel once, though several processes may want it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / f".{path.name}.lock"):
        if path.exists():
            return
        aside = path.with_name(f".{path.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.unlink(missing_ok=True)
        unpack(ray.get(reference), aside)
        aside.rename(path)
