"""The folder of a run: its record says what was run, with which models and versions. One process holds it at a time."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from os.path import isfile, normpath
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from undertone.engine import environment
from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import FULL, is_locked, locked, refusal, write_text
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.reading.files import matched, read_bytes
from undertone.reading.values import json_value
from undertone.spec import Spec, flat

FILE, LOCK, REPORT = "run.json", ".lock", "report.json"
SHOWN = 4
"""How many differing keys an error lists."""
State = Literal["finished", "running", "stopped", "unknown"]


class Record(Spec):
    """The content of ``run.json``: what is needed to repeat a run of any kind and to compare the results."""

    format: Literal[2] = 2
    """Format of this file. A file of another format is refused."""
    kind: str
    """The kind of experiment, or the command that wrote the folder."""
    recipe: str
    """Name of the recipe."""
    spec: dict[str, JsonValue]
    """The resolved recipe."""
    models: dict[str, str]
    """Digests of the models and of the user's files, by name."""
    versions: dict[str, str]
    """Versions of Python and of the libraries."""
    commit: str | None = None
    """The git commit of the package and whether it was changed (:func:`undertone.engine.environment.commit`), as of the
    first start; None if it did not run from a checkout."""
    hardware: dict[str, str]
    """The machine."""
    store: str = Field(pattern=r"^[^\x00]*$")
    """Path of the store of artifacts, relative to this folder so that both can be moved together."""
    started: AwareDatetime
    """When the run was first started."""
    stopped: str | None = None
    """The error that ended the run, if one did."""
    finished: bool = False
    """Whether everything was made and reported."""
    said: str = ""
    """The answer so far, in one sentence."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """For every artifact in the report, by its name in the store: the digest of its files."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the record of a run.

        Raises:
            UndertoneError: it is missing or damaged, or another version of Undertone wrote it.
        """
        try:
            text = read_bytes(folder / FILE)
            json_value(text)  # bounds what Pydantic reads
            return cls.model_validate_json(text)
        except OSError as error:
            raise UndertoneError(f"{folder} is not the folder of a run: {FILE}: {error.strerror}.") from None
        except ValidationError as error:
            fault = error.errors()[0]
            if fault["loc"] == ("format",):
                written, read = repr(fault["input"])[:20], cls.model_fields["format"].default
                raise UndertoneError(
                    f"{folder / FILE} was written by another version of Undertone (format {written}, this one reads "
                    f"{read}); give the recipe and another --out: artifacts in the store are used again."
                ) from None
            place = ".".join(map(str, fault["loc"]))[:80] or "the file"
            raise UndertoneError(
                f"{folder / FILE} is damaged, or another version of Undertone wrote it ({place}: {fault['msg']}). Give "
                "another --out, and keep this folder until you know why."
            ) from None
        except ValueError as error:
            raise UndertoneError(f"{folder / FILE} is damaged: {error}. Give another --out.") from None

    def write(self, folder: Path) -> None:
        """Writes the record to the folder of a run."""
        write_text(folder / FILE, self.model_dump_json(indent=1) + "\n")

    def store_from(self, folder: Path) -> Store:
        """The store of the run in ``folder``."""
        return Store(Path(normpath(folder / self.store)))


def record_of(
    verb: str,
    recipe: str,
    asked: Spec,
    models: Mapping[str, str] | None = None,
    store: str = "",
    started: datetime | None = None,
) -> Record:
    """The record of a run that begins now, or at ``started``. ``verb`` is the kind of experiment or the command."""
    return Record(
        kind=verb,
        recipe=recipe,
        spec=asked.model_dump(mode="json"),
        models=dict(models or {}),
        versions=environment.versions(),
        commit=environment.commit(),
        hardware=environment.hardware(),
        store=store,
        started=started or datetime.now(UTC),
    )


class Claim:
    """A folder that this process holds, with its record."""

    def __init__(self, folder: Path, record: Record, finished_before: bool) -> None:
        self.folder, self.record, self.finished_before = folder, record, finished_before

    def note(self, **changes: Any) -> None:
        """Changes fields of the record, and writes it if any value is new."""
        changed = self.record.model_copy(update=changes)
        if changed != self.record:
            changed.write(self.folder)
            self.record = changed


def files_of(asked: Spec) -> dict[str, str]:
    """Digests (SHA-256, hex) of the files that a request names by path or pattern. Missing files are left out.

    Raises:
        UndertoneError: a file cannot be read.
    """
    given = [one for value in dict(asked).values() for one in (value if isinstance(value, tuple) else (value,))]
    named = [file for one in given for file in (matched(one) if isinstance(one, Path) else [one])]
    # A suite or a trait is given as text, a path or a shipped name, and is known by that text.
    files = {
        str(one.absolute() if isinstance(one, Path) else one): Path(one)
        for one in named
        if isinstance(one, str | Path) and isfile(one)
    }
    try:
        return {name: file_digest(path) for name, path in files.items()}
    except OSError as error:
        raise UndertoneError(f"Cannot read {error.filename}: {error.strerror}.") from None


def folder_of(parent: str, name: str, asked: Mapping[str, Any]) -> Path:
    """``PARENT/NAME-DIGEST``: a folder of its own for every set of settings."""
    return Path(parent) / f"{name}-{digest(asked)[:8]}"


def refuse_unwritable(folder: Path) -> None:
    """Raises UndertoneError if ``folder`` cannot be written, so that no work is done in vain."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        why = "not a folder" if not there.is_dir() else "not writable"
        raise UndertoneError(f"Cannot write to {folder}: {there} is {why}; give another folder with --out.")


@contextmanager
def claimed(folder: Path, record: Record, trace: bool = True) -> Generator[Claim]:
    """Holds the folder for this process and writes ``record`` to it. An error that ends the run is added to the record.
    Without ``trace``, a new run that fails before it has written anything else leaves the folder as it was.

    Raises:
        UndertoneError: the folder cannot be written, another process holds it, or it holds something else: a run of
            another kind or recipe, a run with other models, or a report without a record.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise UndertoneError(f"Cannot write to {folder}: {error.strerror}; give another folder with --out.") from error
    finished = False
    with locked(folder / LOCK) as ours:
        if not ours:
            raise UndertoneError(f"Another process is running in {folder}; wait for it, or give another --out.")
        if (folder / FILE).exists():
            first = Record.read(folder)
            _refuse_other(folder, first, record)
            finished = first.finished
            # The versions stay those of the first start. Until this run is finished too, nothing may look so.
            record = first.model_copy(update={"stopped": None, "finished": False, "said": ""})
        elif (folder / REPORT).exists():
            raise UndertoneError(f"{folder} holds a report that this run did not write; give another --out.")
        before = set(folder.iterdir())
        record.write(folder)
        claim = Claim(folder, record, finished)
        try:
            yield claim
        except (UndertoneError, OSError) as error:
            why = _sentence(error, folder)
            if not trace and set(folder.iterdir()) - before == {folder / FILE}:
                _remove_record(folder, new)
            else:
                with suppress(UndertoneError):  # a full disk may have no room for this either
                    claim.note(stopped=why)
            raise UndertoneError(why) from error


def _remove_record(folder: Path, new: Sequence[Path]) -> None:
    """Removes the record, and then ``new``: the folder and the folders above it that did not exist before."""
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
    differing = [
        f"{key} ({there.get(key, 'none')} there, {here.get(key, 'none')} here)"
        for key in {**there, **here}
        if (key in there, there.get(key)) != (key in here, here.get(key))
    ]
    if differing:
        more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        listed = ", ".join(differing[:SHOWN])
        raise UndertoneError(f"{folder} holds a run of another recipe: {listed}{more}; give another --out.")


def state_of(folder: Path, record: Record) -> State:
    """Whether a run is finished, running, or was stopped; "unknown" if its lock file cannot be read."""
    if record.finished:
        return "finished"
    states: dict[bool | None, State] = {True: "running", False: "stopped", None: "unknown"}
    return states[is_locked(folder / LOCK)]
