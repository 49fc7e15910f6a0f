"""Content-addressed artifacts: a result is found under the digest of everything that made it.

An artifact is a folder. It is written aside, synced, and renamed into place with its manifest last, so that a folder
under its own name is whole. Stopping at any moment loses at most the artifacts in the making.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """A kind of work. ``version`` changes whenever the work's result would."""

    name: str
    version: int
    function: str
    """``module:function`` of (spec, folders of the inputs, folder to write into); imported where the work is done, so
    that whoever only plans need not wait for torch."""

    def run(self, spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
        """Does the work."""
        module, _, name = self.function.partition(":")
        getattr(import_module(module), name)(spec, inputs, out)


@dataclass(frozen=True)
class Folder:
    """An input that no stage made, such as a base model, with the digest of its content."""

    path: Path
    key: str


@dataclass(frozen=True)
class Job:
    """One artifact to be made: a stage, its spec and its inputs, each a job or a folder from outside."""

    stage: Stage
    spec: dict[str, Any]
    inputs: Mapping[str, Job | Folder] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Digest of stage, version, spec and the keys of all inputs."""
        parts = {name: source.key for name, source in self.inputs.items()}
        return digest({"stage": self.stage.name, "version": self.stage.version, "spec": self.spec, "inputs": parts})

    @property
    def parents(self) -> tuple[Job, ...]:
        """The jobs that must be done first."""
        return tuple(source for source in self.inputs.values() if isinstance(source, Job))


@dataclass(frozen=True)
class Order:
    """A job without its history, fit to be sent to another process."""

    stage: Stage
    spec: dict[str, Any]
    inputs: Mapping[str, Folder]
    key: str

    def as_json(self) -> dict[str, Any]:
        """A JSON-able form."""
        inputs = {name: [str(source.path.absolute()), source.key] for name, source in self.inputs.items()}
        return {"stage": asdict(self.stage), "spec": self.spec, "inputs": inputs, "key": self.key}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Order:
        """What :meth:`as_json` gave."""
        inputs = {name: Folder(Path(path), key) for name, (path, key) in value["inputs"].items()}
        return cls(Stage(**value["stage"]), value["spec"], inputs, value["key"])


@dataclass(frozen=True)
class Store:
    """A folder of artifacts."""

    root: Path

    def folder(self, job: Job) -> Path:
        """Where the artifact of ``job`` is, or will be."""
        return self.root / f"{job.stage.name}-{job.key[:20]}"

    def has(self, job: Job) -> bool:
        """Whether the artifact is there, whole."""
        return (self.folder(job) / "manifest.json").is_file()

    def manifest(self, job: Job) -> dict[str, Any]:
        """The artifact's manifest."""
        manifest: dict[str, Any] = json.loads((self.folder(job) / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def order(self, job: Job) -> Order:
        """``job`` as what a worker needs to know: no parents, only where their artifacts lie."""
        inputs = {n: s if isinstance(s, Folder) else Folder(self.folder(s), s.key) for n, s in job.inputs.items()}
        return Order(job.stage, job.spec, inputs, job.key)

    def clear(self, process: int) -> None:
        """Removes what a process that was ended had in the making."""
        for left in self.root.glob(f".part-*-{process}"):
            shutil.rmtree(left, ignore_errors=True)

    def make(self, job: Job) -> float:
        """Makes the artifact unless it is there; returns the seconds spent (0.0 for one that was there)."""
        return 0.0 if self.has(job) else self.fill(self.order(job))

    def fill(self, order: Order) -> float:
        """Carries out an order and returns the seconds spent. A failure leaves nothing behind."""
        started = time.perf_counter()
        aside = self.root / f".part-{order.key[:20]}-{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir(parents=True)
            order.stage.run(order.spec, {name: source.path for name, source in order.inputs.items()}, aside)
            seconds = time.perf_counter() - started
            self._seal(order, aside, seconds)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return seconds

    def _seal(self, order: Order, aside: Path, seconds: float) -> None:
        made = [path for path in sorted(aside.rglob("*")) if path.is_file()]
        for path in made:
            _sync(path)
        files = {str(path.relative_to(aside)): _file_digest(path) for path in made}
        manifest = {
            "key": order.key,
            "stage": order.stage.name,
            "version": order.stage.version,
            "spec": order.spec,
            "inputs": {name: source.key for name, source in order.inputs.items()},
            "files": files,
            "seconds": round(seconds, 3),
        }
        write_text(aside / "manifest.json", json.dumps(manifest, indent=1))
        target = self.root / f"{order.stage.name}-{order.key[:20]}"
        if target.is_dir() and not (target / "manifest.json").is_file():
            shutil.rmtree(target)  # not by us: under its own name an artifact is whole
        try:
            os.rename(aside, target)
        except OSError:
            if not (target / "manifest.json").is_file():
                raise  # else another process finished the same artifact first: the same bytes
        _sync(self.root)


def write_text(path: Path, text: str) -> None:
    """Writes a file aside, syncs it and renames it into place."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise UndertoneError(f"Could not write {path}: {error.strerror or error}.") from error


def folder_digest(path: Path, names: tuple[str, ...]) -> str:
    """Digest of the named files of a folder; those that are missing are left out."""
    return digest({name: _file_digest(path / name) for name in names if (path / name).is_file()})


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
