"""A store of artifacts. An artifact is found under the digest of everything that made it.

An artifact is a folder. It is written under another name, synced, and renamed with its manifest in it, so that a folder
under its own name is complete. A process that is stopped loses at most the artifacts it was making.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

from undertone.engine import environment
from undertone.engine.digests import file_digest
from undertone.engine.disk import FULL, errno_of, locked, refusal, sync
from undertone.engine.manifest import FILE, Damaged, Manifest, Source, key_of
from undertone.engine.parcels import Parcel, unpack
from undertone.errors import UndertoneError

LOCK = ".lock"


@dataclass(frozen=True)
class Stage:
    """A kind of work. ``version`` changes whenever the result of the work would."""

    name: str
    version: int
    function: str
    """``module:function``, called with the spec, the folders of the inputs and the folder to write to. It is imported
    only where the work is done, because it may need torch."""
    work: str = ""
    """Name of a function in the same module that says beforehand what a job does: see
    :func:`undertone.stages.durations.work.work_of`. Without it, only finished jobs say how long the stage takes."""
    processor: bool = False
    """Whether it calls no model but those that are inputs of its own beside the base. It then needs no accelerator."""

    def imported(self) -> Callable[..., None]:
        """The function, which may have to be imported."""
        module, _, name = self.function.partition(":")
        found: Callable[..., None] = getattr(import_module(module), name)
        return found

    def run(self, spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
        """Does the work."""
        self.imported()(spec, inputs, out)


@dataclass(frozen=True)
class Folder:
    """An input from outside the store, such as a base model. ``key`` is the digest of its content."""

    path: Path
    key: str
    name: str = ""
    """As the user gave it."""
    parts: tuple[Folder, ...] = ()
    """Of a model with an adapter: its base and the adapter. Its key is the digest of theirs."""

    @property
    def parts_by_name(self) -> dict[str, str]:
        """The keys of its parts, and of theirs."""
        return {name: key for part in self.parts for name, key in part.digests.items()}

    @property
    def digests(self) -> dict[str, str]:
        """Its key and those of its parts, by name."""
        return {self.name: self.key} | self.parts_by_name

    @property
    def source(self) -> Source:
        """As it stands in a manifest."""
        return Source(key=self.key, name=self.name, parts=tuple(part.source for part in self.parts))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Folder:
        """The folder whose ``dataclasses.asdict`` was written as JSON."""
        parts = tuple(cls.from_json(part) for part in value["parts"])
        return cls(Path(value["path"]), value["key"], value["name"], parts)

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
            raise UndertoneError(f"Cannot read {path}: {error.strerror}; correct its path in the arm's file.") from None


@dataclass(frozen=True)
class Job:
    """One artifact to make: a stage, its spec and its inputs, each of which is a job or a folder."""

    stage: Stage
    spec: dict[str, Any]
    inputs: Mapping[str, Job | Folder] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Digest of stage, version, spec and the keys of all inputs."""
        return key_of(self.stage.name, self.stage.version, self.spec, self.inputs)

    @property
    def parents(self) -> tuple[Job, ...]:
        """The jobs that must be done first."""
        return tuple(source for source in self.inputs.values() if isinstance(source, Job))

    @cached_property
    def base(self) -> Folder | None:
        """The model from which the job and its parents start; None if there is none."""
        for name, source in self.inputs.items():
            found = source.base if isinstance(source, Job) else source if name == "base" else None
            if found:
                return found
        return None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Job:
        """The job whose ``dataclasses.asdict`` was written as JSON; its inputs must be folders."""
        inputs = {name: Folder.from_json(given) for name, given in value["inputs"].items()}
        return cls(Stage(**value["stage"]), value["spec"], inputs)


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
        """Makes the store's folder and removes unfinished artifacts of processes that were killed.

        Raises:
            UndertoneError: the folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for part in {path.with_suffix("") for path in self.root.glob(".part-*")}:
                with locked(part.with_suffix(LOCK)) as abandoned:  # whoever makes an artifact holds its lock
                    if abandoned:
                        self._remove(part)
        except OSError as error:
            raise refusal(error, self.root) from error

    def folder(self, job: Job) -> Path:
        """Where the artifact of ``job`` is, or will be."""
        return self.root / artifact_name(job.stage.name, job.key)

    def folders(self, job: Job) -> dict[str, Folder]:
        """The inputs of ``job``, each as a folder."""
        return {
            name: source if isinstance(source, Folder) else Folder(path := self.folder(source), source.key, path.name)
            for name, source in job.inputs.items()
        }

    def has(self, job: Job) -> bool:
        """Whether the artifact exists."""
        return (self.folder(job) / FILE).is_file()

    def manifest(self, job: Job) -> Manifest:
        """The artifact's manifest.

        Raises:
            Damaged: it has changed since it was written, or belongs to another job.
        """
        return _manifest_of(self.folder(job), job.key)

    def sound(self, job: Job, warn: Callable[[str], None]) -> Manifest | None:
        """The manifest of an artifact whose files all match their digests; None if the artifact must be made.

        A damaged artifact is renamed, not removed, and reported to ``warn``.
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
        """The path of a file of a finished artifact, after its digest was checked.

        Raises:
            Damaged: it has changed since it was written.
        """
        self.manifest(job).check(self.folder(job), name)
        return self.folder(job) / name

    def read(self, job: Job, name: str) -> Any:
        """Reads a JSON file of a finished artifact. Raises as :meth:`checked`."""
        return json.loads(self.checked(job, name).read_text(encoding="utf-8"))

    def clear(self, process: int) -> None:
        """Removes the unfinished artifacts of a process that was ended."""
        for part in self.root.glob(f".part-*-{process}"):
            self._remove(part)

    def _remove(self, part: Path) -> None:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.with_suffix(LOCK).unlink(missing_ok=True)

    def make(self, job: Job) -> float:
        """Makes the artifact of ``job`` and returns the seconds it took. A failure leaves nothing behind.

        Raises:
            Damaged: an input has changed since it was written.
            UndertoneError: the disk is full.
        """
        job.stage.imported()  # The first time this takes seconds, which are not the job's.
        started = time.perf_counter()
        inputs, aside = self.folders(job), self._aside(job)
        try:
            with locked(aside.with_suffix(LOCK)):
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir(parents=True)
                for source in inputs.values():
                    if source.path.parent.absolute() == self.root.absolute():  # else a model from elsewhere
                        _manifest_of(source.path, source.key).check(source.path)
                job.stage.run(job.spec, {name: source.path for name, source in inputs.items()}, aside)
                seconds = time.perf_counter() - started
                self._seal(job, inputs, aside, seconds)
        except Exception as error:
            if errno_of(error) in FULL:
                raise refusal(error, self.root) from error
            raise
        finally:
            self._remove(aside)
        return seconds

    def _seal(self, job: Job, inputs: Mapping[str, Folder], aside: Path, seconds: float) -> None:
        """Writes the manifest and gives the artifact its name."""
        made = sorted(aside.rglob("*"))
        for path in made:
            sync(path)
        Manifest(
            stage=job.stage.name,
            version=job.stage.version,
            key=job.key,
            spec=job.spec,
            inputs={name: source.source for name, source in inputs.items()},
            files={str(path.relative_to(aside)): file_digest(path) for path in made if path.is_file()},
            made_with=environment.made_with(),
            seconds=round(seconds, 3),
        ).write(aside)
        sync(aside)
        self._name(aside, self.folder(job))

    def receive(self, job: Job, parcel: Parcel) -> None:
        """Takes the artifact of ``job`` that was made elsewhere. A failure leaves nothing behind.

        Raises:
            Damaged: it is not as it was made.
            UndertoneError: the disk is full.
        """
        aside = self._aside(job)
        try:
            with locked(aside.with_suffix(LOCK)):
                shutil.rmtree(aside, ignore_errors=True)
                unpack(parcel, aside)
                made = _manifest_of(aside, job.key).files
                if {**made, FILE: parcel.digests.get(FILE)} != parcel.digests:
                    raise Damaged(f"{parcel.name} is not as it was made")
                for folder in {aside, *(aside.joinpath(name).parent for name in made)}:
                    sync(folder)
                self._name(aside, self.folder(job))
        except OSError as error:
            raise refusal(error, self.root) from error
        finally:
            self._remove(aside)

    def _aside(self, job: Job) -> Path:
        return self.root / f".part-{job.key[:20]}-{os.getpid()}"

    def _name(self, aside: Path, target: Path) -> None:
        """Gives a whole artifact its name."""
        if target.is_dir() and not (target / FILE).is_file():
            shutil.rmtree(target)  # Undertone did not write it: an artifact under its own name has a manifest
        try:
            os.rename(aside, target)
        except OSError:
            if not (target / FILE).is_file():
                raise  # else another process finished the same artifact first, with the same bits
        sync(self.root)
