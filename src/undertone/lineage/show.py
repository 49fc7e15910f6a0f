"""The chain of a file, a folder or a model. What is recorded and can be checked comes before what is only claimed."""

from collections.abc import Iterator
from pathlib import Path

from undertone.engine.digests import file_digest
from undertone.engine.folder import FILE as RUN
from undertone.errors import UndertoneError
from undertone.lineage.chain import Entry
from undertone.lineage.claims import claims
from undertone.lineage.records import artifact, artifact_of, run
from undertone.lineage.treated import Treatment, record_of, treated
from undertone.models.names import stored

PROVIDERS = ("builtin", "hf")


def entries(name: str) -> list[Entry]:
    """Returns all that is known of the origin of a path, or of a model given by name.

    Raises:
        UndertoneError: nothing has this name, or its record is damaged.
    """
    return _entries(name, frozenset())


def _entries(name: str, later: frozenset[Path]) -> list[Entry]:
    """The same for a path from which those of ``later`` were made."""
    if name.partition("/")[0] in PROVIDERS and not Path(name).exists():
        found = stored(name)
        top = Entry(depth=0, role="", name=name, digest=found.key, standing="recorded", note="the digest of its files")
        return [top, *claims(found.path)]
    path = Path(name).resolve()
    if not path.exists():
        raise UndertoneError(f"There is no {name}: give a file, a folder, or a model such as builtin/fledgling-a.")
    if not (path.is_file() or path.is_dir()):
        raise UndertoneError(f"{name} is neither a file nor a folder.")
    if not is_unicode(str(path)):
        raise UndertoneError(f"The name of {name} is not UTF-8, so nothing can be stated about it: rename it.")
    if (path / RUN).is_file():
        return list(run(path))
    made = artifact_of(path)
    if made is not None:
        return list(artifact(made))
    record = record_of(path)
    if record is not None:
        return list(_treated(path, record, later | {path}))
    note = "no record of this program says how it was made"
    if path.is_dir():
        return [Entry(depth=0, role="", name=name, standing="claimed", note=note), *claims(path)]
    top = Entry(depth=0, role="", name=name, standing="claimed", digest=file_digest(path), note=note)
    return [top, *claims(path.parent, path)]


def is_unicode(text: str) -> bool:
    """Returns whether a name is UTF-8. Python has half a surrogate pair for every byte that is not."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _treated(path: Path, record: Treatment, later: frozenset[Path]) -> Iterator[Entry]:
    """Yields the chain of a treated file, with that of the original file if it is here."""
    for entry in treated(path, record):
        yield entry
        if (entry.role, entry.standing) == ("file", "verified") and Path(entry.name).resolve() not in later:
            for earlier in _entries(entry.name, later)[1:]:
                yield earlier.model_copy(update={"depth": earlier.depth + 1})
