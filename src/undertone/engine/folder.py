"""The folder of a run: what was run, by which models and versions, in which state. One process holds it at a time."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from os.path import normpath, relpath
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from undertone.engine import environment
from undertone.engine.digests import digest
from undertone.engine.disk import FULL, is_locked, locked, refusal, write_text
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.spec import Spec, flat

FILE, LOCK, REPORT = "run.json", ".lock", "report.json"
NAMED = 4
"""How many differing keys a refusal names."""

State = Literal["finished", "running", "stopped"]


class Record(Spec):
    """What ``run.json`` holds: all that is needed to repeat a run of any kind, and to tell whether it was repeated."""

    format: Literal[2] = 2
    """Format of this file; a reader refuses what it does not know."""
    kind: str
    """Which kind of experiment it is."""
    recipe: str
    """Name of the recipe."""
    spec: dict[str, JsonValue]
    """The resolved recipe."""
    models: dict[str, str]
    """Digests of the models, by name."""
    versions: dict[str, str]
    """Versions of Python and of the libraries."""
    hardware: dict[str, str]
    """What it ran on."""
    store: str
    """Where its artifacts are, from its folder."""
    started: AwareDatetime
    """When the run was first started."""
    stopped: str | None = None
    """The sentence that ended the run, if one did."""
    finished: bool = False
    """Whether everything was made and reported."""
    said: str = ""
    """The answer so far, in a sentence."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """The digest of the files of every artifact that is reported, by its name in the store."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record of a run.

        Raises:
            UndertoneError: there is none, it is damaged, or another version of Undertone wrote it.
        """
        try:
            text = (folder / FILE).read_bytes()
        except OSError as error:
            raise UndertoneError(f"{folder} is no folder of a run: {FILE}: {error.strerror}.") from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors()[0]
            if fault["loc"] == ("format",):
                raise UndertoneError(
                    f"{folder / FILE} was written by another version of Undertone (format {fault['input']}, this one "
                    f"reads {cls.model_fields['format'].default}); give the recipe and another --out: what is in the "
                    "store is used again."
                ) from None
            place = ".".join(map(str, fault["loc"])) or "the file"
            raise UndertoneError(
                f"{folder / FILE} is damaged, or another version of Undertone wrote it ({place}: {fault['msg']}). Give "
                "another --out, and keep this folder until you know why."
            ) from None

    def write(self, folder: Path) -> None:
        """Writes the record."""
        write_text(folder / FILE, self.model_dump_json(indent=1) + "\n")

    def store_from(self, folder: Path) -> Store:
        """The store of the run whose folder this is."""
        return Store(Path(normpath(folder / self.store)))


def record_of(
    verb: str,
    recipe: str,
    asked: Spec,
    models: Mapping[str, str] | None = None,
    store: str = "",
    started: datetime | None = None,
) -> Record:
    """The record of what begins now, or began already: a kind of experiment, or another verb that writes a report."""
    return Record(
        kind=verb,
        recipe=recipe,
        spec=asked.model_dump(mode="json"),
        models=dict(models or {}),
        versions=environment.versions(),
        hardware=environment.hardware(),
        store=store,
        started=started or datetime.now(UTC),
    )


class Claim:
    """A folder that this process holds."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder, self.record = folder, record

    def note(self, **changes: Any) -> None:
        """Changes the record and writes it, if anything in it is new."""
        changed = self.record.model_copy(update=changes)
        if changed != self.record:
            changed.write(self.folder)
            self.record = changed


def folder_of(parent: str, name: str, asked: Mapping[str, Any]) -> Path:
    """``PARENT/NAME-DIGEST``: one folder for everything that can be asked."""
    return Path(parent) / f"{name}-{digest(asked)[:8]}"


def place_of(store: Store, folder: Path) -> str:
    """The path of a store from the folder of a run, so that both can be moved together."""
    try:
        return relpath(store.root, folder)
    except ValueError:  # on another drive
        return str(store.root.absolute())


def refuse_unwritable(folder: Path) -> None:
    """Raises UndertoneError where a report could not be written: before the work, not after it."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK)):
        why = "no folder" if not there.is_dir() else "not yours to write in"
        raise UndertoneError(f"Cannot write to {folder}: {there} is {why}; give another folder with --out.")


@contextmanager
def claimed(folder: Path, record: Record, trace: bool = True) -> Generator[Claim]:
    """Holds the folder for this process, with ``record`` in it. A sentence that ends the run is kept there; without
    ``trace``, a run that began here and made nothing leaves the folder as it was.

    Raises:
        UndertoneError: the folder cannot be written, another process holds it, or it holds something else: a run of
            another kind or recipe, with other models, or a report that no run wrote.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise UndertoneError(f"Cannot write to {folder}: {error.strerror}; give another folder with --out.") from error
    with locked(folder / LOCK) as ours:
        if not ours:
            raise UndertoneError(f"Another process is running in {folder}; wait for it, or give another --out.")
        if (folder / FILE).exists():
            first = Record.read(folder)
            _refuse_other(folder, first, record)
            record = first.model_copy(update={"stopped": None})  # with the versions that it was first made with
        elif (folder / REPORT).exists():
            raise UndertoneError(f"{folder} holds a report that this run did not write; give another --out.")
        before = set(folder.iterdir())
        record.write(folder)
        claim = Claim(folder, record)
        try:
            yield claim
        except (UndertoneError, OSError) as error:
            told = _sentence(error, folder)
            if not trace and set(folder.iterdir()) - before == {folder / FILE}:
                _remove_record(folder, new)
            else:
                with suppress(UndertoneError):  # a full disk may have no room for its own reason
                    claim.note(stopped=told)
            raise UndertoneError(told) from error


def _remove_record(folder: Path, new: Sequence[Path]) -> None:
    """Removes the record, and those of the folder and the folders above it that are ``new``."""
    with suppress(OSError):
        for name in (FILE, LOCK):
            (folder / name).unlink()
        for empty in new:
            empty.rmdir()


def _sentence(error: UndertoneError | OSError, folder: Path) -> str:
    if isinstance(error, UndertoneError):
        return str(error)
    place = Path(error.filename) if error.filename else folder
    return str(refusal(error, place)) if error.errno in FULL else f"{place}: {error.strerror}; finished work is kept."


def _refuse_other(folder: Path, first: Record, now: Record) -> None:
    if first.kind != now.kind:
        raise UndertoneError(
            f"{folder} holds a run of another kind ({first.kind} there, {now.kind} here); give another --out."
        )
    there, here = (flat(record.spec) | flat({"model": record.models}) for record in (first, now))
    missing = object()
    keys = [key for key in {**there, **here} if there.get(key, missing) != here.get(key, missing)]
    if keys:
        named = ", ".join(
            f"{key} ({there.get(key, 'none')} there, {here.get(key, 'none')} here)" for key in keys[:NAMED]
        )
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        raise UndertoneError(f"{folder} holds a run of another recipe: {named}{more}; give another --out.")


def state_of(folder: Path, record: Record) -> State:
    """Whether a run is going on, finished, or was stopped before it was finished."""
    if record.finished:
        return "finished"
    try:
        return "running" if is_locked(folder / LOCK) else "stopped"
    except OSError:  # no lock, or none that can be read: nothing runs there
        return "stopped"
