"""The folder of a run: what was run, by what, in which state; claimed by one process at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, ValidationError

from undertone.disk import FULL, is_locked, locked, refusal, write_text
from undertone.errors import UndertoneError
from undertone.report import Results, flat
from undertone.specs import Spec, Trial

FILE, LOCK, RESULTS = "run.json", ".lock", "report.json"
NAMED = 4
"""Differing keys named in a refusal."""

S = TypeVar("S", bound=Spec)
State = Literal["finished", "running", "stopped"]


class Record(Spec):
    """What ``run.json`` holds: all that is needed to repeat a run, and to tell whether it was repeated."""

    format: Literal[1] = 1
    """Format of this file; a reader refuses what it does not know."""
    recipe: str
    """Name of the recipe."""
    store: str = "../store"
    """Where its artifacts are, from its folder."""
    started: AwareDatetime
    """When the run was first started."""
    trial: Trial
    """The resolved recipe."""
    models: dict[str, str]
    """Digests of the base models, by name."""
    versions: dict[str, str]
    """Versions of Python and the libraries."""
    hardware: dict[str, str]
    """What it ran on."""
    stopped: str | None = None
    """Why it was stopped, where a sentence says so."""

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record of a run.

        Raises:
            UndertoneError: there is none, it is damaged, or a newer Undertone wrote it.
        """
        try:
            text = (folder / FILE).read_bytes()
        except OSError as error:
            raise UndertoneError(f"{folder} is no folder of a run: {FILE}: {error.strerror}.") from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"])) or "the file"
            raise UndertoneError(
                f"{folder / FILE} is damaged, or of another Undertone ({place}: {fault['msg']}); give another "
                "--out, and keep this folder until you know why."
            ) from None

    def write(self, folder: Path) -> None:
        """Writes the record."""
        write_text(folder / FILE, self.model_dump_json(indent=1) + "\n")


@contextmanager
def claimed(folder: Path, record: Record) -> Generator[None]:
    """Holds the folder for this process, with ``record`` in it; a sentence that ends the run is kept there.

    Raises:
        UndertoneError: it cannot be written, another process holds it, or it holds a run of another recipe.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise UndertoneError(f"Cannot write to {folder}: {error.strerror}; give another folder with --out.") from error
    with locked(folder / LOCK, exclusive=True) as ours:
        if not ours:
            raise UndertoneError(f"Another process is running in {folder}; wait for it, or give another --out.")
        if (folder / FILE).exists():
            first = Record.read(folder)
            _refuse_other(folder, first, record)
            record = first.model_copy(update={"stopped": None})  # with what it was first made with
        record.write(folder)
        try:
            yield
        except (UndertoneError, OSError) as error:
            told = _sentence(error, folder)
            with suppress(UndertoneError):  # a full disk may have no room for its own reason
                record.model_copy(update={"stopped": told}).write(folder)
            raise UndertoneError(told) from error


@contextmanager
def held(folder: Path, file: str, record: Spec) -> Generator[None]:
    """Holds the folder for this process, with ``record`` in ``file``: for what is no trial.

    Raises:
        UndertoneError: it cannot be written, another process holds it, or it holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / FILE).exists():
            raise UndertoneError(f"{folder} holds the run of a trial; give another --out.")
        (folder / LOCK).touch()
        with locked(folder / LOCK, exclusive=True) as ours:
            if not ours:
                raise UndertoneError(f"Another process is running in {folder}; wait for it, or give another --out.")
            if (folder / file).exists() and not _is(record, folder / file):
                raise UndertoneError(
                    f"{folder} holds another run: of another experiment, or with a damaged {file}; give another --out."
                )
            write_text(folder / file, record.model_dump_json(indent=1) + "\n")
            yield
    except OSError as error:
        raise UndertoneError(f"Cannot write to {folder}: {error.strerror}; give another folder with --out.") from error


def record_in(folder: Path, file: str, kind: type[S]) -> S:
    """The record of what was run in a folder and is no trial.

    Raises:
        UndertoneError: its file is damaged, or of another Undertone.
    """
    try:
        return kind.model_validate_json((folder / file).read_bytes())
    except (OSError, ValidationError):
        raise unreadable(folder, file) from None


def unreadable(folder: Path, file: str) -> UndertoneError:
    """The error that says that a record is damaged."""
    return UndertoneError(f"{folder / file} cannot be read; give the recipe's name and another --out.")


def _is(record: Spec, path: Path) -> bool:
    try:
        return type(record).model_validate_json(path.read_bytes()) == record
    except ValidationError:
        return False


def _sentence(error: UndertoneError | OSError, folder: Path) -> str:
    if isinstance(error, UndertoneError):
        return str(error)
    place = Path(error.filename) if error.filename else folder
    return str(refusal(error, place)) if error.errno in FULL else f"{place}: {error.strerror}; finished work is kept."


def _refuse_other(folder: Path, first: Record, now: Record) -> None:
    there, here = (flat(r.trial.model_dump(mode="json")) | flat({"model": r.models}) for r in (first, now))
    missing = object()
    keys = [key for key in {**there, **here} if there.get(key, missing) != here.get(key, missing)]
    if keys:
        named = ", ".join(
            f"{key} ({there.get(key, 'none')} there, {here.get(key, 'none')} here)" for key in keys[:NAMED]
        )
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        raise UndertoneError(f"{folder} holds a run of another recipe: {named}{more}; give another --out.")


def results_of(folder: Path) -> Results | None:
    """The results a run has written so far.

    Raises:
        UndertoneError: they cannot be read.
    """
    path = folder / RESULTS
    if not path.is_file():
        return None
    try:
        return Results.load(path)
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise UndertoneError(
            f"{path} cannot be read ({why}); give the run's command again to have it written anew."
        ) from None


def state_of(folder: Path, results: Results | None) -> State:
    """Whether a run is going on, done, or was stopped before it was done."""
    if results is not None and results.complete:
        return "finished"
    try:
        return "running" if is_locked(folder / LOCK) else "stopped"
    except OSError:  # no lock, or none that can be read: nothing runs there
        return "stopped"
