"""Content-addressed artifacts: a result is found under the digest of everything that made it.

An artifact is a folder. It is written aside, synced, and renamed into place with its manifest last, so that a folder
under its own name is whole. Stopping at any moment loses at most the artifacts in the making.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

from undertone.engine import environment as surroundings
from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import FULL, errno_of, locked, refusal, sync
from undertone.engine.manifest import FILE, Damaged, Manifest, Source
from undertone.errors import UndertoneError

LOCK = ".lock"


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
    name: str = ""
    """As the user gave it."""

    @classmethod
    def of_file(cls, name: str) -> Folder:
        """A single file of the user's.

        Raises:
            UndertoneError: it cannot be read.
        """
        path = Path(name).expanduser()
        try:
            return cls(path, file_digest(path), name)
        except OSError as error:
            raise UndertoneError(f"Cannot read {path}: {error.strerror}; give its path in the arm's file.") from None


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
        inputs = {n: [str(source.path.absolute()), source.key, source.name] for n, source in self.inputs.items()}
        return {"stage": asdict(self.stage), "spec": self.spec, "inputs": inputs, "key": self.key}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Order:
        """What :meth:`as_json` gave."""
        inputs = {n: Folder(Path(path), key, name) for n, (path, key, name) in value["inputs"].items()}
        return cls(Stage(**value["stage"]), value["spec"], inputs, value["key"])


def artifact_name(stage: str, key: str) -> str:
    """Name of an artifact's folder in the store."""
    return f"{stage}-{key[:20]}"


def _manifest_of(folder: Path, key: str) -> Manifest:
    manifest = Manifest.read(folder)
    if manifest.key != key:
        raise Damaged(f"{folder} holds another artifact ({artifact_name(manifest.stage, manifest.key)})")
    return manifest


@dataclass(frozen=True)
class Store:
    """A folder of artifacts."""

    root: Path

    def open(self) -> None:
        """Makes the folder, and removes what killed processes had in the making.

        Raises:
            UndertoneError: it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for part in {path.with_suffix("") for path in self.root.glob(".part-*")}:
                with locked(part.with_suffix(LOCK)) as dead:  # whoever makes an artifact holds its lock
                    if dead:
                        self._remove(part)
        except OSError as error:
            raise refusal(error, self.root) from error

    def folder(self, job: Job) -> Path:
        """Where the artifact of ``job`` is, or will be."""
        return self.root / artifact_name(job.stage.name, job.key)

    def has(self, job: Job) -> bool:
        """Whether the artifact is there."""
        return (self.folder(job) / FILE).is_file()

    def manifest(self, job: Job) -> Manifest:
        """The artifact's manifest.

        Raises:
            Damaged: it is not what was written, or not of this job.
        """
        return _manifest_of(self.folder(job), job.key)

    def sound(self, job: Job, warn: Callable[[str], None]) -> Manifest | None:
        """The manifest of an artifact all of whose files are as they were written; None if it must be made.

        A damaged artifact is set aside, not removed, and ``warn`` is told.
        """
        if not self.has(job):
            return None
        try:
            manifest = self.manifest(job)
            manifest.check(self.folder(job))
            return manifest
        except Damaged as damage:
            aside = self.root / f".damaged-{token_hex(4)}-{self.folder(job).name}"
            with suppress(FileNotFoundError):  # another run that uses this store was faster
                self.folder(job).rename(aside)
            warn(f"{damage}: set aside as {aside.name} and made anew.")
            return None

    def checked(self, job: Job, name: str) -> Path:
        """Where a file of a finished artifact is, its digest checked.

        Raises:
            Damaged: it is not what was written.
        """
        self.manifest(job).check_file(self.folder(job), name)
        return self.folder(job) / name

    def read(self, job: Job, name: str) -> Any:
        """A JSON file of a finished artifact, its digest checked.

        Raises:
            Damaged: it is not what was written.
        """
        return json.loads(self.checked(job, name).read_text(encoding="utf-8"))

    def order(self, job: Job) -> Order:
        """``job`` as what a worker needs to know: no parents, only where their artifacts lie."""
        inputs = {
            n: s if isinstance(s, Folder) else Folder(self.folder(s), s.key, self.folder(s).name)
            for n, s in job.inputs.items()
        }
        return Order(job.stage, job.spec, inputs, job.key)

    def clear(self, process: int) -> None:
        """Removes what a process that was ended had in the making."""
        for part in self.root.glob(f".part-*-{process}"):
            self._remove(part)

    def _remove(self, part: Path) -> None:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # on Windows nobody removes what is open
            part.with_suffix(LOCK).unlink(missing_ok=True)

    def make(self, job: Job) -> float:
        """Makes the artifact unless it is there; returns the seconds spent (0.0 for one that was there)."""
        return 0.0 if self.has(job) else self.fill(self.order(job))

    def fill(self, order: Order) -> float:
        """Carries out an order and returns the seconds spent. A failure leaves nothing behind.

        Raises:
            Damaged: an input is not what was written.
            UndertoneError: the disk is full.
        """
        started = time.perf_counter()
        aside = self.root / f".part-{order.key[:20]}-{os.getpid()}"
        try:
            with locked(aside.with_suffix(LOCK)):
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir(parents=True)
                self._check_inputs(order)
                order.stage.run(order.spec, {name: source.path for name, source in order.inputs.items()}, aside)
                seconds = time.perf_counter() - started
                self._seal(order, aside, seconds)
        except Exception as error:
            if errno_of(error) in FULL:
                raise refusal(error, self.root) from error
            raise
        finally:
            self._remove(aside)
        return seconds

    def _check_inputs(self, order: Order) -> None:
        for source in order.inputs.values():
            if source.path.parent.absolute() == self.root.absolute():  # else a model from elsewhere
                _manifest_of(source.path, source.key).check(source.path)

    def _seal(self, order: Order, aside: Path, seconds: float) -> None:
        made = sorted(aside.rglob("*"))
        for path in made:
            sync(path)
        Manifest(
            stage=order.stage.name,
            version=order.stage.version,
            key=order.key,
            spec=order.spec,
            inputs={n: Source(key=source.key, name=source.name) for n, source in order.inputs.items()},
            files={str(path.relative_to(aside)): file_digest(path) for path in made if path.is_file()},
            made_with=surroundings.versions() | surroundings.hardware(),
            seconds=round(seconds, 3),
        ).write(aside)
        sync(aside)
        target = self.root / artifact_name(order.stage.name, order.key)
        if target.is_dir() and not (target / FILE).is_file():
            shutil.rmtree(target)  # not by us: under its own name an artifact is whole
        try:
            os.rename(aside, target)
        except OSError:
            if not (target / FILE).is_file():
                raise  # else another process finished the same artifact first: the same bytes
        sync(self.root)
